"""New runs as the store takes them: a slice with a birth."""

from datetime import datetime

from openrun.core.events import FlowStarted, encode_event
from openrun.core.types import RunStatus
from openrun.definition.program import Program
from openrun.runtime.engine import Start
from openrun.store.chain import GENESIS, link
from openrun.store.projection import in_ms
from openrun.store.rows import Birth, Dedupe, EventRow, Slice, Standing


def started(program: Program, start: Start, run_id: str, now: datetime) -> FlowStarted:
    """The first event of a run."""
    return FlowStarted(
        run_id=run_id,
        flow_id=program.flow_id,
        seq=1,
        timestamp=now,
        version=program.version,
        trigger=start.trigger,
        input=start.payload,
        state=start.state,
        parent_run_id=start.parent_run_id,
    )


def birth_of(
    event: FlowStarted, *, depth: int = 0, dedupe: Dedupe | None = None, replay_of: str | None = None
) -> Birth:
    """What the store is told of a new run."""
    return Birth(
        flow_id=event.flow_id,
        version=event.version,
        created_at=in_ms(event.timestamp),
        trigger=event.trigger,
        parent_run_id=event.parent_run_id,
        depth=depth,
        replay_of=replay_of,
        dedupe=dedupe,
    )


def unheld(event: FlowStarted, birth: Birth) -> Slice:
    """A run that is born without anybody holding it."""
    body = encode_event(event).decode()
    return Slice(
        run_id=event.run_id,
        worker=None,
        fence=0,
        first=1,
        events=(EventRow(event.run_id, 1, 0, link(GENESIS, event.run_id, 1, 0, body), body),),
        standing=Standing(status=RunStatus.PENDING, updated_at=in_ms(event.timestamp)),
        birth=birth,
    )
