"""`openrun serve --reload`: files that change are looked at again while the server goes on."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import Change, awatch

from openrun.app import App
from openrun.cli.collection import Collection, is_offered
from openrun.cli.refusal import Refusal, show_refusal
from openrun.core.errors import OpenRunError
from openrun.server.mounting import Mounting
from openrun.store.rows import DEFAULT_NAMESPACE

_PYTHON = ".py"


class Reload:
    """Looks at files and folders, and tells what it did."""

    def __init__(
        self,
        app: App,
        mounting: Mounting,
        collection: Collection,
        places: Iterable[Path],
        say: Callable[[str], None],
    ) -> None:
        self._app = app
        self._mounting = mounting
        self._collection = collection
        self._say = say
        watched = {each.resolve() for each in places}
        self._folders = {each for each in watched if each.is_dir()}
        self._files = watched - self._folders

    async def until_python_changes(self) -> None:
        """Keep flows whose JSON changes; return when Python does, for then the process has to start anew."""
        # Whoever saves a file may put another one in its place: folders are looked at, not files.
        folders = self._folders | {each.parent for each in self._files}
        async for changes in awatch(*folders, watch_filter=self._matters, recursive=False):
            for change, name in sorted(changes, key=lambda each: each[1]):
                path = Path(name)
                if path.suffix == _PYTHON:
                    self._say(f"{self._shown(path)} changed: starting anew")
                    return
                try:
                    if change is Change.deleted:
                        self._gone(self._shown(path))
                    else:
                        await self._json(path)
                except Refusal as refusal:
                    show_refusal(refusal)
                except OpenRunError as error:
                    show_refusal(Refusal(f"{self._shown(path)}: {error}"))

    def _matters(self, _change: Change, name: str) -> bool:
        path = Path(name)
        if path in self._files:
            return True
        # A file whose name begins with _ is no flow, but others import it.
        return path.parent in self._folders and (is_offered(path) or path.suffix == _PYTHON)

    def _gone(self, source: str) -> None:
        for each in self._collection.of_source(source):
            self._say(f"{source} is gone; its flow {each.id!r} stays, until somebody disables it")

    async def _json(self, path: Path) -> None:
        source = self._shown(path)
        known = {row.flow_id for row in await self._app.store.flows(DEFAULT_NAMESPACE)}
        flow = self._collection.look_again(source, known, is_named=path in self._files)
        if flow is None:
            return
        program = flow.program(self._app.catalog, self._app.limits)
        if await self._app.library.is_current(program):
            return
        await self._app.library.add(program)
        await self._mounting.look()
        self._say(f"{source}: flow {flow.id!r} is version {program.version[:12]} from now on")

    def _shown(self, path: Path) -> str:
        """The file as it was named at the start."""
        for each in self._collection.sources:
            if Path(each).resolve() == path:
                return each
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def watched(names: Iterable[str], modules: Iterable[str]) -> list[Path]:
    """The files and folders behind FLOWS and --module. Raises `Refusal` when there are none."""
    found = [Path(name) for name in names if Path(name).exists()]
    imported = [name.partition(":")[0] for name in names if not Path(name).exists()]
    files = [getattr(sys.modules.get(name), "__file__", None) for name in (*imported, *modules)]
    found += [Path(file) for file in files if file is not None]
    if not found:
        raise Refusal("--reload has nothing to look at", hint="name files or folders with flows")
    return found
