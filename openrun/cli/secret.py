"""--secret: where the values of secrets are found, never the values themselves, which a command line shows to all."""

import os
from collections.abc import Iterable
from pathlib import Path

from openrun.cli.refusal import Refusal

LONGEST = 64 * 2**10

_HINT = "write NAME=env:VARIABLE or NAME=file:PATH, such as --secret token=env:API_TOKEN"


def read_secrets(given: Iterable[str]) -> dict[str, str]:
    """The secrets by name. Raises `Refusal`, which tells of nothing that could be a value."""
    secrets: dict[str, str] = {}
    for each in given:
        name, _, source = each.partition("=")
        kind, _, place = source.partition(":")
        if not name or not place or kind not in ("env", "file"):
            raise Refusal("--secret takes where a value is found, not the value", hint=_HINT)
        if name in secrets:
            raise Refusal(f"--secret {name!r} is given twice")
        value = _from_environment(name, place) if kind == "env" else _from_file(name, place)
        if not value:
            raise Refusal(f"--secret {name!r}: {kind}:{place} is empty")
        secrets[name] = value
    return secrets


def _from_environment(name: str, variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise Refusal(f"--secret {name!r}: there is no environment variable {variable!r}")
    return _line(value)


def _from_file(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise Refusal(f"--secret {name!r}: file {path!r} is larger than {LONGEST:,} bytes")
        return _line(text.decode())
    except FileNotFoundError:
        raise Refusal(f"--secret {name!r}: there is no file {path!r}") from None
    except UnicodeDecodeError:
        raise Refusal(f"--secret {name!r}: file {path!r} is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refusal(f"--secret {name!r}: file {path!r} cannot be read: {reason}") from None


def _line(text: str) -> str:
    """Without the newline that editors and `echo` put at the end."""
    return text.removesuffix("\n").removesuffix("\r")
