"""A Python file with flows: the operator's own code, executed by its path."""

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from openrun.cli.refusal import ExitCode, Refusal
from openrun.core.errors import InvalidFlow
from openrun.flow import Flow


def execute(path: Path) -> ModuleType:
    """The module that a file makes, under a name of its own; its folder is looked into for imports last.

    Raises `Refusal`, with the line, for a file that cannot be read or that breaks, and `InvalidFlow`.
    """
    if not path.is_file():
        raise Refusal(f"there is no file {str(path)!r}", code=ExitCode.NOT_FOUND)
    place = path.resolve()
    if str(place.parent) not in sys.path:
        sys.path.append(str(place.parent))
    name = module_name(place)
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, InvalidFlow) or not isinstance(error, Exception | SystemExit):
            raise
        raise _broken(path, place, error) from None
    return module


def module_name(place: Path) -> str:
    """The same for a file wherever the command is started."""
    return f"{place.stem}_{hashlib.sha256(str(place).encode(errors='surrogateescape')).hexdigest()[:8]}"


def flows_in(module: ModuleType) -> list[Flow]:
    """The flows that stand at the top of a module, each once."""
    found = [each for each in vars(module).values() if isinstance(each, Flow)]
    return list({id(each): each for each in found}.values())


def _broken(path: Path, place: Path, error: BaseException) -> Refusal:
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return Refusal(
            f"{error.filename or path}:{error.lineno}: {type(error).__name__}: {error.msg}",
            hint="the file is not Python",
        )
    # What broke may lie deeper, but what to change is in this file.
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(place)
    ]
    return Refusal(f"{path}:{lines[-1] if lines else 1}: {words}")
