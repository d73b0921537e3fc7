"""The store's methods; what a batch comes to is decided in `ledger`, the rest is a query each."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from openrun.core.types import RunStatus
from openrun.store.base import StoreError
from openrun.store.books import AnswerRow, AuditFilter, AuditRow, KeyRow
from openrun.store.postgres import books, commit, holding, listing
from openrun.store.postgres.bus_events import PostgresBusEvents
from openrun.store.postgres.draft import DAMAGED
from openrun.store.postgres.hints import hints
from openrun.store.postgres.outbox import PostgresOutbox
from openrun.store.postgres.reading import as_events, as_messages, as_rows
from openrun.store.postgres.renewer import PostgresRenewer
from openrun.store.postgres.text import kept, kept_or_none, place
from openrun.store.postgres.tickets import PostgresTickets
from openrun.store.postgres.timetable import PostgresTimetable
from openrun.store.postgres.upgrade import upgrade
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
from openrun.store.timetable import ScheduleRow

_UPGRADE_SECONDS = 600.0
_SWEEP_SECONDS = 120.0


class PostgresStore(PostgresTimetable, PostgresBusEvents, PostgresOutbox, PostgresTickets):
    """Runs in a Postgres database; see `openrun.store.base.Store` for what its methods promise."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url = url
        self._places: dict[str, tuple[str, int]] = {}

    async def open(self) -> None:
        await self._others.call(upgrade, _UPGRADE_SECONDS)

    async def close(self) -> None:
        await self._writer.close()
        await self._others.close()

    async def now(self) -> int:
        return await self._number("now")

    def hints(self) -> AsyncGenerator[None, None]:
        """Yields when there may be something to claim, or a message for a run that is held; never instead of polling."""
        return hints(self._url)

    # -- flows ------------------------------------------------------------------------------------

    async def keep_version(
        self, row: VersionRow, *, expected: str | None = None, schedules: Sequence[ScheduleRow] = ()
    ) -> bool:
        work = partial(holding.keep_version, row=row, expected=expected, schedules=schedules)
        return await self._others.call(work)

    async def version(
        self, flow_id: str, version: str | None = None, *, namespace: str = DEFAULT_NAMESPACE
    ) -> VersionRow | None:
        given = {"namespace": namespace, "flow_id": flow_id, "version": version}
        return await self._one(VersionRow, "current_version" if version is None else "version", given)

    async def versions(self, flow_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> list[VersionRow]:
        given = {"namespace": namespace, "flow_id": flow_id}
        return as_rows(VersionRow, await self._rows("versions", given))

    async def flow(self, flow_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> FlowRow | None:
        return await self._one(FlowRow, "flow", {"namespace": namespace, "flow_id": flow_id})

    async def flows(self, namespace: str | None = None) -> list[FlowRow]:
        return as_rows(FlowRow, await self._rows("flows", {"namespace": namespace}))

    async def enable(self, flow_id: str, *, enabled: bool, namespace: str = DEFAULT_NAMESPACE) -> bool:
        given = {"namespace": namespace, "flow_id": flow_id, "enabled": enabled}
        return await self._others.call(partial(holding.enable, given=given))

    # -- writing ----------------------------------------------------------------------------------

    async def commit(self, slices: Sequence[Slice]) -> list[Verdict]:
        return await self._writer.call(partial(commit.commit, slices=slices)) if slices else []

    async def post(self, messages: Sequence[Message]) -> list[Posted]:
        return await self._others.call(partial(commit.post, messages=messages)) if messages else []

    # -- holding ----------------------------------------------------------------------------------

    async def enlist(self, worker: str, seconds: float, *, host: str, pid: int) -> None:
        given = {"worker": worker, "seconds": seconds, "host": kept(host), "pid": pid}
        self._places[worker] = host, pid
        await self._do("forget_workers")
        await self._do("enlist", given)

    def renewer(self) -> PostgresRenewer:
        return PostgresRenewer(self._url, self._places)

    async def retire(self, worker: str) -> None:
        await self._others.call(partial(holding.retire, worker=worker))
        self._places.pop(worker, None)

    async def claim(self, worker: str, most: int, *, without: Sequence[str] = (), alone: bool) -> list[Claim]:
        most = max(0, min(most, 1) if alone else most)
        wanted = {"worker": worker, "most": most, "without": list(without), "alone": alone}
        return await self._others.call(partial(holding.claim, wanted=wanted))

    async def held_by(self, worker: str) -> list[RunRow]:
        return as_rows(RunRow, await self._rows("held_by", {"worker": worker}))

    async def waiting_alone(self, *, without: Sequence[str] = ()) -> int:
        rows = await self._rows("waiting_alone", {"without": list(without)})
        return int(rows[0][0])

    async def next_due(self) -> int | None:
        return await self._instant("next_due")

    async def inbox(self, worker: str) -> list[InboxRow]:
        return as_messages(await self._rows("inbox", {"worker": worker}))

    async def waiting_messages(self, run_ids: Sequence[str]) -> list[InboxRow]:
        return as_messages(await self._rows("waiting_messages", {"run_ids": list(run_ids)}))

    async def hold(self, run_id: str, reason: str, *, due_at: int | None) -> None:
        due_at = None if reason.startswith(DAMAGED) else due_at
        await self._do("hold", {"run_id": run_id, "reason": kept(reason), "due_at": due_at})

    # -- reading ----------------------------------------------------------------------------------

    async def run(self, run_id: str) -> RunRow | None:
        return await self._one(RunRow, "run", {"run_id": run_id})

    async def find(self, prefix: str, limit: int = 2, *, namespace: str | None = None) -> list[str]:
        name = "find" if namespace is None else "find_in_namespace"
        given = {"prefix": prefix, "limit": limit, "namespace": namespace}
        return [row[0] for row in await self._rows(name, given)]

    async def runs(self, wanted: RunFilter) -> list[RunRow]:
        return as_rows(RunRow, await self._others.call(partial(listing.runs, wanted=wanted)))

    async def counts(self, namespace: str | None = None) -> Mapping[RunStatus, int]:
        name = "counts" if namespace is None else "counts_of_namespace"
        rows = await self._rows(name, {"namespace": namespace})
        return {RunStatus(status): count for status, count in rows}

    async def heads(self, run_ids: Sequence[str], *, namespace: str | None = None) -> list[HeadRow]:
        given = {"run_ids": list(dict.fromkeys(run_ids)), "namespace": namespace}
        return msgspec.convert(await self._rows("heads", given), list[HeadRow])

    async def events(self, run_id: str, after: int = 0, limit: int | None = None) -> list[EventRow]:
        return as_events(await self._rows("events", {"run_id": run_id, "after": after, "limit": limit}))

    async def journals(self, run_ids: Sequence[str]) -> Mapping[str, list[EventRow]]:
        found: dict[str, list[EventRow]] = {run_id: [] for run_id in run_ids}
        for event in as_events(await self._rows("journals", {"run_ids": list(run_ids)})):
            found[event.run_id].append(event)
        return found

    async def activations(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ActivationRow]:
        rows = await self._rows("activations", {"run_id": run_id, "after": after, "limit": limit})
        return as_rows(ActivationRow, rows)

    async def workers(self) -> list[WorkerRow]:
        return as_rows(WorkerRow, await self._rows("workers"))

    async def orphans(self, limit: int = 100) -> list[str]:
        return [row[0] for row in await self._rows("orphans", {"limit": limit})]

    async def progress(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ProgressRow]:
        rows = await self._rows("progress", {"run_id": run_id, "after": after, "limit": limit})
        return as_rows(ProgressRow, rows)

    # -- waits, effects, compensations ------------------------------------------------------------

    async def waits(self, wanted: WaitFilter) -> list[WaitRow]:
        return await self._others.call(partial(listing.waits, wanted=wanted))

    async def find_waits(self, prefix: str, limit: int = 2, *, namespace: str | None = None) -> list[WaitRow]:
        given = {"prefix": prefix, "limit": limit, "namespace": namespace}
        return as_rows(WaitRow, await self._rows("find_waits", given))

    async def effects(self, wanted: EffectFilter) -> list[EffectRow]:
        return as_rows(EffectRow, await self._others.call(partial(listing.effects, wanted=wanted)))

    async def find_effects(
        self, prefix: str, limit: int = 2, *, namespace: str | None = None
    ) -> list[EffectRow]:
        given = {"prefix": prefix, "limit": limit, "namespace": namespace}
        return as_rows(EffectRow, await self._rows("find_effects", given))

    async def compensations(
        self, run_id: str | None = None, limit: int = 100, *, namespace: str | None = None
    ) -> list[CompensationRow]:
        name = "compensations_failed" if run_id is None else "compensations_of_run"
        given = {"run_id": run_id, "limit": limit, "namespace": namespace}
        return as_rows(CompensationRow, await self._rows(name, given))

    async def settle_compensation(self, row: CompensationRow) -> bool:
        given = {
            "run_id": row.run_id,
            "place": place(row.step_id, row.scope),
            "resolution": row.resolution,
            "note": kept_or_none(row.note),
            "by": kept_or_none(row.by),
        }
        return await self._do("settle_compensation", given) > 0

    # -- dead letters, deliveries -----------------------------------------------------------------

    async def dead_letters(self, limit: int = 100, *, namespace: str | None = None) -> list[DeadLetter]:
        name = "dead_letters" if namespace is None else "dead_letters_of_namespace"
        return as_rows(DeadLetter, await self._rows(name, {"limit": limit, "namespace": namespace}))

    async def dead_letter(self, run_id: str) -> DeadLetter | None:
        return await self._one(DeadLetter, "dead_letter", {"run_id": run_id})

    async def discard(self, run_id: str) -> bool:
        return await self._do("discard", {"run_ids": [run_id]}) > 0

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        return as_rows(DeliveryRow, await self._others.call(partial(listing.deliveries, wanted=wanted)))

    async def delivery(self, run_id: str) -> DeliveryRow | None:
        return await self._one(DeliveryRow, "delivery", {"run_id": run_id})

    # -- keys, audit, answers ---------------------------------------------------------------------

    async def add_key(self, row: KeyRow) -> None:
        await self._others.call(partial(books.add_key, row=row))

    async def key(self, hash: str) -> KeyRow | None:  # noqa: A002
        return next(iter(books.as_keys(await self._rows("key", {"hash": kept(hash)}))), None)

    async def keys(self, namespace: str | None = None) -> list[KeyRow]:
        return books.as_keys(await self._rows("keys", {"namespace": namespace}))

    async def revoke_key(self, key_id: str, at: int) -> bool:
        return await self._do("revoke_key", {"key_id": key_id, "at": at}) > 0

    async def touch_key(self, key_id: str, at: int) -> None:
        await self._do("touch_key", {"key_id": key_id, "at": at})

    async def add_audit(self, rows: Sequence[AuditRow]) -> None:
        if rows:
            await self._others.call(partial(books.add_audit, rows=rows))

    async def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        return await self._others.call(partial(books.audit, wanted=wanted))

    async def kept_answer(self, scope: str, key: str, now: int) -> AnswerRow | None:
        return await self._one(AnswerRow, "kept_answer", {"place": place(scope, key), "now": now})

    async def keep_answer(self, row: AnswerRow, now: int) -> AnswerRow:
        return await self._others.call(partial(books.keep_answer, row=row, now=now))

    # -- keeping house ----------------------------------------------------------------------------

    async def ended_before(self, instant: int, limit: int) -> list[RunRow]:
        return as_rows(RunRow, await self._rows("ended_before", {"instant": instant, "limit": limit}))

    async def remove(self, run_ids: Sequence[str]) -> list[Tombstone]:
        rows = await self._others.call(partial(holding.remove, run_ids=run_ids), _SWEEP_SECONDS)
        return as_rows(Tombstone, rows)

    async def tombstone(self, run_id: str) -> Tombstone | None:
        return await self._one(Tombstone, "tombstone", {"run_id": run_id})

    async def rewrite(self, derived: Derived) -> None:
        await self._others.call(partial(holding.rewrite, derived=derived))

    async def backup(self, target: Path) -> None:
        raise StoreError(
            f"Postgres writes its own backups: `pg_dump --format=custom --file={target} URL` copies while work goes "
            "on, `pg_restore` brings it back"
        )
