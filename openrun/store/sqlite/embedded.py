"""A store over SQLite, wherever its database lies: each method is one function on one of its threads."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from openrun.core.types import RunStatus
from openrun.store.base import Renewer
from openrun.store.books import AnswerRow, AuditFilter, AuditRow, KeyRow
from openrun.store.rows import (
    DEFAULT_NAMESPACE,
    ActivationRow,
    Claim,
    CompensationRow,
    DeadLetter,
    DeliveryFilter,
    DeliveryRow,
    Derived,
    EffectFilter,
    EffectRow,
    EventRow,
    FlowRow,
    HeadRow,
    InboxRow,
    Message,
    Posted,
    ProgressRow,
    RunFilter,
    RunRow,
    Slice,
    Tombstone,
    Verdict,
    VersionRow,
    WaitFilter,
    WaitRow,
    WorkerRow,
)
from openrun.store.sqlite import (
    answers,
    audit,
    deliveries,
    effects,
    flows,
    house,
    inbox,
    journal,
    keys,
    lease,
    letters,
    runs,
    waits,
)
from openrun.store.sqlite.alive import Alive
from openrun.store.sqlite.automation import EmbeddedAutomation
from openrun.store.sqlite.backup import back_up
from openrun.store.sqlite.claim import Wanted, claim, waiting_alone
from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.commit import commit
from openrun.store.sqlite.draft import drafted
from openrun.store.sqlite.lane import Lane
from openrun.store.sqlite.lease import Place
from openrun.store.sqlite.migrate import migrate
from openrun.store.sqlite.renewer import LaneRenewer
from openrun.store.timetable import ScheduleRow


class EmbeddedStore(EmbeddedAutomation):
    """Writes on one lane and reads on another, or does both on one."""

    def __init__(self, *, writer: Lane, reader: Lane, clocks: Clocks, alive: Alive) -> None:
        super().__init__(writer=writer, reader=reader, clocks=clocks)
        self._alive = alive
        self._places: dict[str, Place] = {}

    async def open(self) -> None:
        try:
            await self._writer.open()
            await self._writer.run(lambda its: migrate(its, self._clocks.now()))
            await self._reader.open()
        except BaseException:
            await self._disconnect()
            raise

    async def close(self) -> None:
        await self._disconnect()
        self._reader.close()
        self._writer.close()
        self._alive.close()

    async def _disconnect(self) -> None:
        await self._reader.disconnect()
        await self._writer.disconnect()

    async def now(self) -> int:
        return self._clocks.now()

    # -- flows ------------------------------------------------------------------------------------

    async def keep_version(
        self, row: VersionRow, *, expected: str | None = None, schedules: Sequence[ScheduleRow] = ()
    ) -> bool:
        return await self._writer.run(lambda its: flows.keep_version(its, row, expected, schedules))

    async def version(
        self, flow_id: str, version: str | None = None, *, namespace: str = DEFAULT_NAMESPACE
    ) -> VersionRow | None:
        return await self._reader.run(lambda its: flows.version(its, namespace, flow_id, version))

    async def versions(self, flow_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> list[VersionRow]:
        return await self._reader.run(lambda its: flows.versions(its, namespace, flow_id))

    async def flow(self, flow_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> FlowRow | None:
        return await self._reader.run(lambda its: flows.flow(its, namespace, flow_id))

    async def flows(self, namespace: str | None = None) -> list[FlowRow]:
        return await self._reader.run(lambda its: flows.flows(its, namespace))

    async def enable(self, flow_id: str, *, enabled: bool, namespace: str = DEFAULT_NAMESPACE) -> bool:
        now = self._clocks.now()
        return await self._writer.run(lambda its: flows.enable(its, namespace, flow_id, now, enabled=enabled))

    # -- writing ----------------------------------------------------------------------------------

    async def commit(self, slices: Sequence[Slice]) -> list[Verdict]:
        batch = drafted(slices)
        return await self._writer.run(lambda its: commit(its, batch, self._clocks))

    async def post(self, messages: Sequence[Message]) -> list[Posted]:
        return await self._writer.run(lambda its: inbox.post(its, messages, self._clocks.now()))

    # -- holding ----------------------------------------------------------------------------------

    async def enlist(self, worker: str, seconds: float, *, host: str, pid: int) -> None:
        place = self._places[worker] = Place(host=host, pid=pid)
        await self._writer.run(lambda _: self._alive.enlist(worker))
        await self._writer.run(lambda its: lease.give_lease(its, worker, seconds, place, self._clocks))

    def renewer(self) -> Renewer:
        return LaneRenewer(self._writer, self._places, self._clocks)

    async def retire(self, worker: str) -> None:
        await self._writer.run(lambda its: lease.retire(its, worker, self._clocks.now()))
        await self._writer.run(lambda _: self._alive.retire(worker))
        self._places.pop(worker, None)

    async def claim(self, worker: str, most: int, *, without: Sequence[str] = (), alone: bool) -> list[Claim]:
        wanted = Wanted(worker=worker, most=most, without=tuple(without), alone=alone)
        return await self._writer.run(lambda its: claim(its, wanted, self._clocks, self._alive))

    async def held_by(self, worker: str) -> list[RunRow]:
        return await self._reader.run(lambda its: runs.held_by(its, worker))

    async def waiting_alone(self, *, without: Sequence[str] = ()) -> int:
        return await self._reader.run(lambda its: waiting_alone(its, tuple(without), self._clocks))

    async def next_due(self) -> int | None:
        return await self._reader.run(runs.next_due)

    async def inbox(self, worker: str) -> list[InboxRow]:
        return await self._reader.run(lambda its: inbox.waiting_for_worker(its, worker))

    async def waiting_messages(self, run_ids: Sequence[str]) -> list[InboxRow]:
        return await self._reader.run(lambda its: inbox.waiting_for_runs(its, run_ids))

    async def hold(self, run_id: str, reason: str, *, due_at: int | None) -> None:
        await self._writer.run(lambda its: runs.hold(its, run_id, reason, due_at))

    # -- reading ----------------------------------------------------------------------------------

    async def run(self, run_id: str) -> RunRow | None:
        return await self._reader.run(lambda its: runs.run(its, run_id))

    async def find(self, prefix: str, limit: int = 2, *, namespace: str | None = None) -> list[str]:
        return await self._reader.run(lambda its: runs.find(its, prefix, limit, namespace))

    async def runs(self, wanted: RunFilter) -> list[RunRow]:
        return await self._reader.run(lambda its: runs.runs(its, wanted))

    async def counts(self, namespace: str | None = None) -> Mapping[RunStatus, int]:
        return await self._reader.run(lambda its: runs.counts(its, namespace))

    async def heads(self, run_ids: Sequence[str], *, namespace: str | None = None) -> list[HeadRow]:
        return await self._reader.run(lambda its: runs.heads(its, run_ids, namespace))

    async def events(self, run_id: str, after: int = 0, limit: int | None = None) -> list[EventRow]:
        return await self._reader.run(lambda its: journal.events(its, run_id, after, limit))

    async def journals(self, run_ids: Sequence[str]) -> Mapping[str, list[EventRow]]:
        return await self._reader.run(lambda its: journal.journals(its, run_ids))

    async def activations(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ActivationRow]:
        return await self._reader.run(lambda its: journal.activations(its, run_id, after=after, limit=limit))

    async def workers(self) -> list[WorkerRow]:
        return await self._reader.run(lambda its: lease.workers(its, self._clocks))

    async def orphans(self, limit: int = 100) -> list[str]:
        return await self._reader.run(lambda its: runs.orphans(its, limit))

    async def progress(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ProgressRow]:
        return await self._reader.run(lambda its: journal.progress(its, run_id, after=after, limit=limit))

    # -- waits, effects, compensations ------------------------------------------------------------

    async def waits(self, wanted: WaitFilter) -> list[WaitRow]:
        return await self._reader.run(lambda its: waits.waits(its, wanted))

    async def find_waits(self, prefix: str, limit: int = 2, *, namespace: str | None = None) -> list[WaitRow]:
        return await self._reader.run(lambda its: waits.find(its, prefix, limit, namespace))

    async def effects(self, wanted: EffectFilter) -> list[EffectRow]:
        return await self._reader.run(lambda its: effects.effects(its, wanted))

    async def find_effects(
        self, prefix: str, limit: int = 2, *, namespace: str | None = None
    ) -> list[EffectRow]:
        return await self._reader.run(lambda its: effects.find(its, prefix, limit, namespace))

    async def compensations(
        self, run_id: str | None = None, limit: int = 100, *, namespace: str | None = None
    ) -> list[CompensationRow]:
        return await self._reader.run(lambda its: effects.compensations(its, run_id, limit, namespace))

    async def settle_compensation(self, row: CompensationRow) -> bool:
        return await self._writer.run(lambda its: effects.settle_compensation(its, row))

    # -- dead letters, deliveries -----------------------------------------------------------------

    async def dead_letters(self, limit: int = 100, *, namespace: str | None = None) -> list[DeadLetter]:
        return await self._reader.run(lambda its: letters.dead_letters(its, limit, namespace))

    async def dead_letter(self, run_id: str) -> DeadLetter | None:
        return await self._reader.run(lambda its: letters.dead_letter(its, run_id))

    async def discard(self, run_id: str) -> bool:
        return await self._writer.run(lambda its: letters.discard(its, run_id))

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        return await self._reader.run(lambda its: deliveries.deliveries(its, wanted))

    async def delivery(self, run_id: str) -> DeliveryRow | None:
        return await self._reader.run(lambda its: deliveries.delivery(its, run_id))

    # -- keys, audit, answers ---------------------------------------------------------------------

    async def add_key(self, row: KeyRow) -> None:
        await self._writer.run(lambda its: keys.add(its, row))

    async def key(self, hash: str) -> KeyRow | None:  # noqa: A002
        return await self._reader.run(lambda its: keys.key(its, hash))

    async def keys(self, namespace: str | None = None) -> list[KeyRow]:
        return await self._reader.run(lambda its: keys.keys(its, namespace))

    async def revoke_key(self, key_id: str, at: int) -> bool:
        return await self._writer.run(lambda its: keys.revoke(its, key_id, at))

    async def touch_key(self, key_id: str, at: int) -> None:
        await self._writer.run(lambda its: keys.touch(its, key_id, at))

    async def add_audit(self, rows: Sequence[AuditRow]) -> None:
        await self._writer.run(lambda its: audit.add(its, rows))

    async def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        return await self._reader.run(lambda its: audit.audit(its, wanted))

    async def kept_answer(self, scope: str, key: str, now: int) -> AnswerRow | None:
        return await self._reader.run(lambda its: answers.kept_answer(its, scope, key, now))

    async def keep_answer(self, row: AnswerRow, now: int) -> AnswerRow:
        return await self._writer.run(lambda its: answers.keep_answer(its, row, now))

    # -- keeping house ----------------------------------------------------------------------------

    async def ended_before(self, instant: int, limit: int) -> list[RunRow]:
        return await self._reader.run(lambda its: house.ended_before(its, instant, limit))

    async def remove(self, run_ids: Sequence[str]) -> list[Tombstone]:
        return await self._writer.run(lambda its: house.remove(its, run_ids, self._clocks.now()))

    async def tombstone(self, run_id: str) -> Tombstone | None:
        return await self._reader.run(lambda its: house.tombstone(its, run_id))

    async def rewrite(self, derived: Derived) -> None:
        await self._writer.run(lambda its: house.rewrite(its, derived, self._clocks.now()))

    async def backup(self, target: Path) -> None:
        await self._reader.run(lambda its: back_up(its, target))
