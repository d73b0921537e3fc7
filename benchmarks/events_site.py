"""Who hears events: `python -m benchmarks.events_site FOLDER SECONDS [BUS]` prints what it came to as JSON.

It publishes them itself, a hundred at a time, and never more than a thousand ahead of the runs that they start: all of the
work, from accepting an event to the end of its three-step run, is done by this one process.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.webhook_site import THREE_STEPS
from openrun import Flow
from openrun.app import App
from openrun.bus.cloud_event import CloudEvent
from openrun.cli.durable import share_the_interpreter
from openrun.core.events import FlowStarted, Shown
from openrun.runtime.observer import Seen
from openrun.telemetry.metrics import Metrics

AHEAD = 1_000
BATCH = 100
WARM_UP = 0.5


class Starts:
    """Counts runs whose start is on disk."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = asyncio.Event()

    def took(self, run: Seen) -> None:
        """Nothing is on disk yet."""

    def heard(self, run: Seen, shown: Sequence[Shown]) -> None:
        started = sum(isinstance(each, FlowStarted) for each in shown)
        if started:
            self.count += started
            self.changed.set()

    def left(self, run: Seen, why: str) -> None:
        """It was counted when it started."""

    def trace(self, run: Seen, step_id: str, scope: str) -> None:
        return None


def listening() -> str:
    """The three steps of the webhook, started by an event."""
    document = json.loads(json.dumps(THREE_STEPS))
    document["id"] = "three-on-events"
    hook, add, _ = document["steps"]
    hook.update(type="trigger_event", config={"event_type": "bench.order.paid"})
    add["config"]["value"] = "<<event_data.total>>"
    return json.dumps(document)


async def publish(app: App, starts: Starts, until: float, round_: str) -> int:
    """Publish for so long; how many."""
    sent = 0
    begun = starts.count
    while time.perf_counter() < until:
        events = [
            CloudEvent(
                id=f"{round_}-{sent + at}",
                source="/bench",
                type="bench.order.paid",
                data={"total": 40, "item": "teapot"},
            )
            for at in range(BATCH)
        ]
        await app.events.publish(events)
        sent += BATCH
        while begun + sent - starts.count > AHEAD:
            starts.changed.clear()
            await starts.changed.wait()
    while starts.count < begun + sent:
        starts.changed.clear()
        await starts.changed.wait()
    return sent


async def main(folder: Path, seconds: float, bus: str | None) -> None:
    """As `openrun serve` does it: SQLite with FULL, an embedded worker, metrics."""
    share_the_interpreter()
    starts = Starts()
    flow = Flow.from_json(listening())
    async with App(folder / "openrun.db", flows=[flow], observers=[Metrics(), starts], bus=bus) as app:
        await publish(app, starts, time.perf_counter() + WARM_UP, "warm-up")
        began = time.perf_counter()
        sent = await publish(app, starts, began + seconds, "round")
        took = time.perf_counter() - began
        print(json.dumps({"rate": sent / took, "started": sent}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
