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
        if not name or not _names_a_place(source):
            raise Refusal("--secret takes where a value is found, not the value", hint=_HINT)
        if name in secrets:
            raise Refusal(f"--secret {name!r} is given twice")
        secrets[name] = read_value(f"--secret {name!r}", source)
    return secrets


def read_value(what: str, source: str) -> str:
    """The value at env:VARIABLE or file:PATH. Raises `Refusal`, which begins with `what`."""
    if not _names_a_place(source):
        raise Refusal(
            f"{what} takes where a value is found, not the value", hint="write env:VARIABLE or file:PATH"
        )
    kind, _, place = source.partition(":")
    value = _from_environment(what, place) if kind == "env" else _from_file(what, place)
    if not value:
        raise Refusal(f"{what}: {source} is empty")
    return value


def read_folder(folder: Path) -> dict[str, str]:
    """A secret for each file, by its name, and those of another namespace in a folder of its name.

    Names that begin with a dot are left out. Raises `Refusal`.
    """
    return {name: read_value("--secrets-dir", f"file:{path}") for name, path in files_in(folder).items()}


def files_in(folder: Path) -> dict[str, Path]:
    """The files of a folder of secrets by the names of the secrets. Raises `Refusal`."""
    try:
        entries = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
        inner = {each: sorted(each.iterdir()) for each in entries if each.is_dir()}
    except OSError as error:
        raise Refusal(f"--secrets-dir: {str(folder)!r} cannot be read: {error.strerror}") from None
    files = {each.name: each for each in entries if each.is_file()}
    for namespace, within in inner.items():
        own = [each for each in within if each.is_file() and not each.name.startswith(".")]
        files |= {f"{namespace.name}/{each.name}": each for each in own}
    return files


def _names_a_place(source: str) -> bool:
    kind, _, place = source.partition(":")
    return bool(place) and kind in ("env", "file")


def _from_environment(what: str, variable: str) -> str:
    value = os.environ.get(variable)
    if value is None:
        raise Refusal(f"{what}: there is no environment variable {variable!r}")
    return _line(value)


def _from_file(what: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise Refusal(f"{what}: file {path!r} is larger than {LONGEST:,} bytes")
        return _line(text.decode())
    except FileNotFoundError:
        raise Refusal(f"{what}: there is no file {path!r}") from None
    except UnicodeDecodeError:
        raise Refusal(f"{what}: file {path!r} is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Refusal(f"{what}: file {path!r} cannot be read: {reason}") from None


def _line(text: str) -> str:
    """Without the newline that editors and `echo` put at the end."""
    return text.removesuffix("\n").removesuffix("\r")
