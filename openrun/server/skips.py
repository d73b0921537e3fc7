"""Steps that did not run, told as the events come that settle it: derived by folding, as they are in no journal."""

import asyncio
from collections.abc import Sequence
from typing import Self

from openrun.core.events import StepSkipped, decode_fact, encode_event
from openrun.core.graph import Graph
from openrun.core.joins import REASONS
from openrun.core.machine import Machine
from openrun.core.types import SkipReason
from openrun.server.route import Call
from openrun.store.rows import EventRow, RunRow

_PAGE = 500


class Skips:
    """Folds the events of one run as they are read; whoever uses it holds the folded run in memory."""

    def __init__(self, graph: Graph, run_id: str) -> None:
        self._machine = Machine(graph, run_id)

    @classmethod
    async def of(cls, call: Call, row: RunRow, after: int) -> Self:
        """With the events up to `after` folded. Raises `MissingCode`."""
        program = await call.house.app.library.program(row.flow_id, row.version, row.namespace)
        skips = cls(program.graph, row.run_id)
        seq = 0
        while seq < after:
            page = await call.space.records.events(row.run_id, seq, min(_PAGE, after - seq))
            if not page:
                break
            skips._fold(page)
            seq = page[-1].seq
            # A long past is folded in turns with whatever else there is to do.
            await asyncio.sleep(0)
        return skips

    def after(self, row: EventRow) -> list[bytes]:
        """The steps that this event, the next one, settled as skipped: each as the JSON of a `StepSkipped`."""
        fact = decode_fact(row.body)
        machine = self._machine
        machine.apply(fact)
        self._rest()
        return [
            encode_event(
                StepSkipped(
                    run_id=machine.run_id,
                    flow_id=machine.flow_id,
                    seq=row.seq,
                    timestamp=fact.timestamp,
                    step_id=frame.walk.graph.steps[step].id,
                    scope=frame.scope,
                    reason=SkipReason(REASONS[state]),
                )
            )
            for frame, step, state in machine.take_skipped()
        ]

    def _fold(self, rows: Sequence[EventRow]) -> None:
        for row in rows:
            self._machine.apply(decode_fact(row.body))
        self._machine.take_skipped()
        self._rest()

    def _rest(self) -> None:
        """Nothing is carried out here."""
        self._machine.orders.clear()
        self._machine.listening.changes.clear()
