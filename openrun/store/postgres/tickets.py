"""Lanes and the tickets in them, as they are told; see `admit` for who may start."""

from typing import Any

import msgspec
from msgspec.structs import replace

from openrun.store.postgres.asking import Asking
from openrun.store.postgres.text import given
from openrun.store.tickets import LaneFilter, LaneRow, LaneRules

_BEFORE_ALL = ("", "", "")


class PostgresTickets(Asking):
    """See `openrun.store.tickets.Tickets` for what its methods promise."""

    async def lanes(self, wanted: LaneFilter) -> list[LaneRow]:
        namespace, flow_id, key = wanted.after or _BEFORE_ALL
        asked = {
            "namespace": wanted.namespace,
            "flow_id": wanted.flow_id,
            "after_namespace": namespace,
            "after_flow": flow_id,
            "after_key": key,
            "limit": wanted.limit,
        }
        return [_lane(each) for each in await self._planned("lanes", asked)]

    async def next_admission(self) -> int | None:
        rows = await self._rows("next_admission")
        return rows[0][0] if rows else None

    async def stray_tickets(self, limit: int = 100) -> list[str]:
        return [row[0] for row in await self._rows("stray_tickets", {"limit": limit})]


def rules_of(text: str, total: int | None) -> LaneRules:
    """Rules as they are kept with a lane, and the total that its pool has by now."""
    return replace(msgspec.json.decode(text, type=LaneRules), total=total)


def _lane(row: tuple[Any, ...]) -> LaneRow:
    lane, namespace, flow_id, key, rules, total, running, queued, oldest = row
    return LaneRow(
        lane=lane,
        namespace=namespace,
        flow_id=flow_id,
        key=given(key),
        rules=rules_of(rules, total),
        running=running,
        queued=queued,
        oldest=oldest,
    )
