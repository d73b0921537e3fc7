"""Modules that the operator names, imported with the current directory on the path. Documents never cause one."""

import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from types import ModuleType

from openrun.cli.refusal import ExitCode, Refusal
from openrun.core.errors import InvalidFlow
from openrun.steps.catalog import StepCatalog


def import_module(name: str) -> ModuleType:
    """The module of this name. Raises `Refusal` for one that is not there, or that breaks on import."""
    here = os.getcwd()  # noqa: PTH109
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _broken(f"module {name!r} cannot be imported", error) from None
        hint = "modules are looked for in the current directory and in the environment"
        raise Refusal(f"there is no module {error.name!r}", code=ExitCode.NOT_FOUND, hint=hint) from None
    except InvalidFlow:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever an author's module does, we say so and end)
        raise _broken(f"module {name!r} cannot be imported", error) from None


def catalog_with(modules: Iterable[str], catalog: StepCatalog | None = None) -> StepCatalog:
    """The catalogue (of built-in and installed steps when none is given) and the steps of these modules."""
    names = list(modules)
    for name in names:
        import_module(name)
    try:
        known = catalog if catalog is not None else StepCatalog.builtin().with_entry_points()
    except (ImportError, TypeError, ValueError) as error:
        raise Refusal(f"an installed step cannot be loaded: {error}") from None
    return known.with_modules(names)


def called(what: str, make: object) -> object:
    """What an author's function returns. Raises `Refusal` when it breaks."""
    assert callable(make)
    try:
        return make()
    except InvalidFlow:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 (an author's function may raise anything)
        raise _broken(f"{what} failed", error) from None


def _broken(what: str, error: BaseException) -> Refusal:
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
        return Refusal(f"{what}: {type(error).__name__}: {error.msg}", hint=f"at {place}")
    last = frames[-1] if frames else None
    hint = f"at {last.filename}:{last.lineno}, in {last.name}" if last else None
    return Refusal(f"{what}: {type(error).__name__}: {error}", hint=hint)
