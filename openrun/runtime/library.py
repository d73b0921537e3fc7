"""The flow versions that runs of a store are made of, compiled once each."""

from collections import OrderedDict

from openrun.core.errors import InvalidFlow, OpenRunError
from openrun.core.limits import Limits
from openrun.core.strict_json import canonical
from openrun.definition.check import require
from openrun.definition.program import Program, compile_program
from openrun.definition.reader import load_document, read_document
from openrun.runtime.clock import Clock
from openrun.runtime.timetable import schedule_rows, schedules_of
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.store.projection import in_ms
from openrun.store.rows import DEFAULT_NAMESPACE, VersionRow

_KEPT = 256
_NOTED = 10_000
_FRESH = 1.0


class MissingCode(OpenRunError):
    """This process cannot run a flow version: a step type is missing, or the version itself."""


class Library:
    """Compiles versions on demand; `current` may be a second old."""

    def __init__(self, store: Store, catalog: StepCatalog, limits: Limits, clock: Clock) -> None:
        self._store = store
        self._catalog = catalog
        self._limits = limits
        self._clock = clock
        self._programs: OrderedDict[str, Program] = OrderedDict()
        """By version, which is the hash of the document: what two namespaces have alike is one."""
        self._current: dict[tuple[str, str], tuple[float, str]] = {}
        """When it was last looked at, and the version that it was."""

    async def add(
        self, program: Program, namespace: str = DEFAULT_NAMESPACE, *, expected: str | None = None
    ) -> bool:
        """Keep a version in the store and make it the current one of its flow.

        With `expected`, only if that is the current version now ("": if there is no such flow); else False.
        """
        row = VersionRow(
            flow_id=program.flow_id,
            version=program.version,
            namespace=namespace,
            name=program.name,
            document=canonical(program.document),
            created_at=in_ms(self._clock.now()),
        )
        # By the store's clock, as it is what schedules go by.
        now = await self._store.now() if schedules_of(program) else 0
        schedules = schedule_rows(program, namespace, now)
        if not await self._store.keep_version(row, expected=expected, schedules=schedules):
            return False
        self._keep(program)
        self._note(namespace, program.flow_id, program.version)
        return True

    async def is_current(self, program: Program, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Whether new runs of its flow get this version already."""
        known = self._current.get((namespace, program.flow_id))
        if known is not None and self._clock.monotonic() - known[0] < _FRESH:
            return known[1] == program.version
        row = await self._store.version(program.flow_id, namespace=namespace)
        return row is not None and row.version == program.version

    async def program(self, flow_id: str, version: str, namespace: str = DEFAULT_NAMESPACE) -> Program:
        """This version, compiled. Raises `MissingCode`."""
        known = self._programs.get(version)
        if known is not None:
            self._programs.move_to_end(version)
            return known
        row = await self._store.version(flow_id, version, namespace=namespace)
        if row is None:
            raise MissingCode(f"version {version[:12]} of flow {flow_id!r} is not in the store")
        return self._keep(self._compiled(row))

    def compiled(self, version: str) -> Program | None:
        """This version if it was asked for lately."""
        return self._programs.get(version)

    async def current(self, flow_id: str, namespace: str = DEFAULT_NAMESPACE) -> Program | None:
        """The version that new runs of a flow get, or None when the store has no such flow."""
        known = self._current.get((namespace, flow_id))
        now = self._clock.monotonic()
        if known is not None and now - known[0] < _FRESH:
            return await self.program(flow_id, known[1], namespace)
        row = await self._store.version(flow_id, namespace=namespace)
        if row is None:
            return None
        program = self._programs.get(row.version) or self._keep(self._compiled(row))
        self._note(namespace, flow_id, program.version)
        return program

    def _note(self, namespace: str, flow_id: str, version: str) -> None:
        if len(self._current) >= _NOTED:
            self._current.clear()
        self._current[namespace, flow_id] = (self._clock.monotonic(), version)

    def _keep(self, program: Program) -> Program:
        self._programs[program.version] = program
        while len(self._programs) > _KEPT:
            self._programs.popitem(last=False)
        return program

    def _compiled(self, row: VersionRow) -> Program:
        try:
            draft = read_document(load_document(row.document, self._limits), self._catalog, self._limits)
            require(draft, self._catalog, limits=self._limits)
            program = compile_program(draft, self._catalog, self._limits)
        except InvalidFlow as invalid:
            raise MissingCode(f"flow {row.flow_id!r} cannot be run here: {invalid.errors[0]}") from None
        if program.version != row.version:
            raise MissingCode(
                f"flow {row.flow_id!r} reads as version {program.version[:12]} here, not {row.version[:12]}: "
                "its steps are declared otherwise than where it was written"
            )
        return program
