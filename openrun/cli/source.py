"""FLOW on the command line: a JSON file, stdin, or module:name."""

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

from openrun.cli.modules import called, import_module
from openrun.cli.refusal import ExitCode, Faulty, Refusal
from openrun.core.errors import InvalidFlow
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.near import did_you_mean
from openrun.flow import Flow
from openrun.steps.catalog import StepCatalog

STDIN = "-"

_PYTHON = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")


def load_flow(name: str, catalog: StepCatalog) -> Flow:
    """The flow that `name` stands for. Raises `Refusal`: not there, not readable, or not a valid document."""
    try:
        if name != STDIN and not Path(name).exists():
            match = _PYTHON.fullmatch(name)
            if match is not None:
                return _python_flow(name, match["module"], match["name"])
        return Flow.from_json(read_text(name), catalog=catalog)
    except InvalidFlow as invalid:
        raise Faulty("stdin" if name == STDIN else name, invalid.errors) from None


def read_text(name: str) -> bytes:
    """The bytes of a document, at most one more than a document may have."""
    most = DEFAULT_LIMITS.document_bytes + 1
    if name == STDIN:
        return sys.stdin.buffer.read(most)
    path = Path(name)
    if path.suffix == ".py":
        hint = f"name the flow as module:name, such as {'.'.join(path.with_suffix('').parts[-2:])}:flow"
        raise Refusal(f"{name!r} is a Python file, not a flow document", hint=hint)
    if path.is_dir():
        raise Refusal(f"{name!r} is a folder", hint="name one of the flows in it")
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise Refusal(f"there is no file {name!r}", code=ExitCode.NOT_FOUND, hint=_near(path)) from None
    except (OSError, ValueError) as error:
        raise Refusal(f"{name!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _near(path: Path) -> str | None:
    try:
        names = sorted(each.name for each in path.parent.glob("*.json"))
    except (OSError, ValueError):
        names = []
    return did_you_mean(path.name, names) if names else "FLOW is a JSON file, or module:name"


def _python_flow(source: str, module_name: str, name: str) -> Flow:
    module = import_module(module_name)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            hint = did_you_mean(part, _flows_of(module))
            message = f"module {module_name!r} has no {name!r}"
            raise Refusal(message, code=ExitCode.NOT_FOUND, hint=hint)
        found = getattr(found, part)
    if not isinstance(found, Flow) and callable(found):
        found = called(f"{source}()", _without_arguments(source, found))
    if isinstance(found, Flow):
        return found
    if inspect.iscoroutine(found):
        found.close()
        raise Refusal(f"{source} is an async function; a plain one that returns a Flow is needed")
    raise Refusal(f"{source} is of type {type(found).__name__}, not a Flow")


def _without_arguments(source: str, make: object) -> object:
    assert callable(make)
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise Refusal(f"{source} cannot be called without arguments: {error}") from None
    except ValueError:
        pass
    return make


def _flows_of(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, Flow) or (inspect.isfunction(value) and value.__module__ == module.__name__)
    ]
