"""What is wrong with a template, before it is known which template it is; and the words to say so."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from openrun.core.errors import TemplateError

_SHOWN = 80
_CANDIDATES = 200
_NAME_LENGTH = 64


class FaultError(Exception):
    """Raised inside this package only; whoever knows the template turns it into a `TemplateError`."""

    def __init__(self, message: str, code: str = TemplateError.code) -> None:
        super().__init__(message)
        self.code = code

    def named(self, source: str) -> TemplateError:
        return TemplateError(f"template {shorten(source)!r}: {self}", code=self.code)


def shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def suggestion(name: str, names: Iterable[str]) -> str:
    """Near names if there are any, else the first few; bounded, since a state may have very many."""
    known = [candidate for candidate in islice(names, _CANDIDATES) if len(candidate) <= _NAME_LENGTH]
    near = get_close_matches(name[:_NAME_LENGTH], known, n=3)
    if near:
        return f"; did you mean {_listed(near, ' or ')}?"
    if known:
        return f"; there is {_listed(sorted(known)[:6], ', ')}"
    return ""


def _listed(names: list[str], separator: str) -> str:
    return separator.join(map(repr, names))
