"""--input, --set and other values as JSON."""

import sys
from collections.abc import Iterable
from pathlib import Path

from openrun.cli.refusal import ExitCode, Refusal
from openrun.core.errors import JsonError
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.strict_json import decode
from openrun.core.types import Json


def read_input(given: str | None) -> dict[str, Json]:
    """The payload of JSON text, @file or - (stdin). Raises `Refusal` for anything but a JSON object."""
    if given is None:
        return {}
    where = "--input" if given[:1] not in ("@", "-") or len(given) == 1 else f"--input {given}"
    try:
        value = decode(_text(given))
    except JsonError as error:
        hint = (
            None if given[:1] == "@" else 'give JSON such as \'{"body": {"id": 7}}\', @file, or - for stdin'
        )
        raise Refusal(f"{where}: {error}", hint=hint) from None
    if not isinstance(value, dict):
        hint = 'the keys are those of the trigger, such as {"body": …}'
        raise Refusal(f"{where}: the payload is a JSON object, not {type(value).__name__}", hint=hint)
    return value


def read_state(given: Iterable[str]) -> dict[str, Json]:
    """The initial state of key=value pairs: JSON where the value parses, else text."""
    state: dict[str, Json] = {}
    for pair in given:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise Refusal(
                f"--set {pair!r} must read key=value", hint="such as --set retries=3 or --set name=Ada"
            )
        try:
            state[key] = decode(value)
        except JsonError:
            state[key] = value
    return state


def read_value(given: str | None, where: str, *, as_text: bool = False) -> Json:
    """Any JSON value of JSON text, @file or - (stdin); `as_text` takes what is given as it is."""
    if given is None or as_text:
        return given
    try:
        return decode(_text(given, where))
    except JsonError as error:
        hint = "give JSON, such as '{\"id\": 7}', 7 or '\"text\"'; or @file, or - for stdin"
        raise Refusal(f"{where}: {error}", hint=hint) from None


def _text(given: str, where: str = "--input") -> str | bytes:
    most = DEFAULT_LIMITS.value_bytes + 1
    if given == "-":
        return sys.stdin.buffer.read(most)
    if not given.startswith("@"):
        return given
    try:
        with Path(given[1:]).open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise Refusal(f"{where}: there is no file {given[1:]!r}", code=ExitCode.NOT_FOUND) from None
