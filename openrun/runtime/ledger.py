"""Calls to the outside that a store's runs have made, and saying what became of those nobody knows about."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Literal

import msgspec

from openrun.core.effects import IN_DOUBT, EffectStatus
from openrun.core.strict_json import plain
from openrun.core.types import Json
from openrun.runtime.errors import EffectSettled, KeyConflict, UnknownCompensation, UnknownEffect
from openrun.runtime.messages import MessageKind
from openrun.store.base import Records
from openrun.store.rows import CompensationRow, EffectFilter, EffectRow

Tell = Callable[[str, MessageKind, dict[str, Any], str], Awaitable[None]]
"""Posts a message to a run, under a key; raises `UnknownRun`, `RunEnded` and `KeyConflict`."""


class Ledger:
    """The effects and the compensations of a store's runs."""

    def __init__(self, store: Records, tell: Tell) -> None:
        self._store = store
        self._tell = tell

    async def effects(
        self, *, run_id: str | None = None, status: Collection[EffectStatus | str] = (), limit: int = 50
    ) -> list[EffectRow]:
        """Of one run in the order in which they were begun; else the newest first."""
        wanted = tuple(sorted(EffectStatus(each).value for each in status))
        return await self._store.effects(EffectFilter(run_id=run_id, status=wanted, limit=limit))

    async def get(self, key: str) -> EffectRow:
        """The effect of this key, or of the only one that begins so. Raises `UnknownEffect`."""
        found = await self._store.find_effects(key) if key else []
        if len(found) != 1:
            several = "more than one effect's key begins" if found else "no effect's key begins"
            raise UnknownEffect(f"{several} with {key!r}; `openrun effects ls` lists them")
        return found[0]

    async def resolve(
        self, key: str, *, committed: bool, value: Json = None, by: str | None = None
    ) -> EffectRow:
        """Say whether an effect in doubt took place, and with what result; its run goes on with that.

        Raises `UnknownEffect`, `EffectSettled`, `RunEnded`.
        """
        row = await self.get(key)
        if row.status not in IN_DOUBT:
            raise EffectSettled(f"effect {row.key} is {row.status}; only one that is unknown can be resolved")
        body = {
            "step_id": row.step_id,
            "scope": row.scope,
            "key": row.key,
            "committed": committed,
            "output": plain(value),
            "by": by,
        }
        try:
            # One answer to one doubt: the next one about this effect stands at another event.
            await self._tell(row.run_id, MessageKind.REVIEW, body, f"review:{row.key}:{row.seq}")
        except KeyConflict:
            raise EffectSettled(f"effect {row.key} has been resolved otherwise before") from None
        return row

    async def compensations(self, run_id: str | None = None, limit: int = 100) -> list[CompensationRow]:
        """Of one run, all; else those that did not succeed and wait for a person, newest first."""
        return await self._store.compensations(run_id, limit)

    async def settle(
        self,
        run_id: str,
        step_id: str,
        scope: str = "/",
        *,
        resolution: Literal["resolved", "ignored"],
        note: str | None = None,
        by: str | None = None,
    ) -> CompensationRow:
        """Say that a compensation that did not succeed is "resolved" (done by hand), or is to be "ignored".

        Raises `UnknownCompensation`, `ValueError` for any other resolution.
        """
        if resolution not in ("resolved", "ignored"):
            raise ValueError(f"a compensation is 'resolved' or 'ignored', not {resolution!r}")
        rows = await self._store.compensations(run_id)
        found = [row for row in rows if (row.step_id, row.scope) == (step_id, scope)]
        if found:
            row = msgspec.structs.replace(found[0], resolution=resolution, note=note, by=by)
            if await self._store.settle_compensation(row):
                return row
        raise UnknownCompensation(
            f"no compensation of step {step_id!r} in {scope!r} of run {run_id} waits for anybody; "
            "`openrun compensations` lists those that do"
        )
