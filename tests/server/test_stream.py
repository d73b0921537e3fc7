"""A run's events as a stream: none missed, none twice, whoever is cut off, slow, late or gone."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from openrun import Flow, StepContext
from openrun.app import App, DurableRun
from openrun.core.types import RunStatus
from openrun.runtime.worker import WorkerOptions
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from openrun.steps.execution.conditional import StepConditional, StepConditionalConfig
from openrun.steps.function import step
from openrun.steps.triggers.manual import TriggerManual
from tests.server.event_source import EventSource, Frames, ServerEvent
from tests.server.hostile import PATIENCE, Wire, request
from tests.server.site import Site, site

STREAM = {"Accept": "text/event-stream"}


class Gate:
    """Lets steps of a test go on, one at a time."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(0)


GATE = Gate()
"""Steps are known by their module, and have no other way to a test."""


@step
async def tick(context: StepContext, note: str = "tick") -> str:
    context.emit({"note": note})
    await GATE.permits.acquire()
    return note


@step(effect="pure")
async def large(size: int = 1_000_000) -> str:
    return "x" * size


def chain(*steps: Any) -> Flow:
    flow = Flow(name="Chain")
    before: Any = TriggerManual(id="begin")
    for after in steps:
        flow.add_edge(before, after)
        before = after
    return flow


def ticking(count: int, note: str = "tick") -> Flow:
    return chain(*(tick(id=f"t{number}", note=f"{note} {number}") for number in range(count)))


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    GATE.permits = asyncio.Semaphore(0)
    async with site(config=ServerConfig(port=0, heartbeat=0.05, stall=0.2, grace=1)) as made:
        made.app.catalog.add("tick", tick)
        made.app.catalog.add("large", large)
        yield made
        # Nobody waits for steps of a test that is over.
        for _ in range(100):
            GATE.permits.release()


def path_of(run: DurableRun, more: str = "") -> str:
    return f"/v1/runs/{run.run_id}/events{more}"


def ids(events: list[ServerEvent]) -> list[int]:
    return [int(event.id) for event in events if event.id is not None]


async def seqs(app: App, run: DurableRun) -> list[int]:
    return [fact.seq for fact in await app.facts(run.run_id)]


async def all_of(source: EventSource) -> list[ServerEvent]:
    async with asyncio.timeout(PATIENCE):
        return [event async for event in source.events()]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        # What a server counts has no signal.
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ended(place: Site, flow: Flow, permits: int = 100) -> DurableRun:
    for _ in range(permits):
        GATE.permits.release()
    run = await place.app.start(flow)
    await run.finished()
    return run


async def heard_in_pieces(place: Site, run: DurableRun, chance: random.Random) -> EventSource:
    """A client that is cut off twenty times while the run goes on; it hears what the store has, once and in order."""
    source = EventSource(place, path_of(run), cuts=(chance.randrange(1, 600) for _ in range(20)))
    seen: list[ServerEvent] = []
    async with asyncio.timeout(PATIENCE):
        async for event in source.events():
            seen.append(event)
            if event.type == "StepStarted":
                # The run goes on as far as it is heard, so that every cut is in the middle of it.
                GATE.permits.release()
    kept = await place.app.store.events(run.run_id)
    assert [(int(event.id), event.data) for event in seen if event.id] == [
        (row.seq, row.body) for row in kept
    ]
    assert [event.type for event in seen if event.id] == [json.loads(row.body)["type"] for row in kept]
    return source


@pytest.mark.parametrize("seed", range(4))
async def test_a_client_that_is_cut_off_twenty_times_misses_nothing_and_hears_nothing_twice(
    place: Site, seed: int
) -> None:
    run = await place.app.start(ticking(60, "ü" * 40))
    source = await heard_in_pieces(place, run, random.Random(seed))  # noqa: S311
    # The last two are the one that heard the end, and the one that was told that nothing more will come.
    assert source.connections == 22


async def test_nothing_is_missed_of_a_run_that_another_process_works_on(tmp_path: Path) -> None:
    GATE.permits = asyncio.Semaphore(0)
    path = str(tmp_path / "runs.db")
    async with (
        App(path) as worker,
        site(path, work=False, options=WorkerOptions(poll=0.02), config=ServerConfig(port=0)) as place,
    ):
        worker.catalog.add("tick", tick)
        run = await worker.start(ticking(25, "ü" * 40))
        source = await heard_in_pieces(place, run, random.Random(7))  # noqa: S311
        assert source.connections == 22


async def test_a_stream_of_a_run_that_has_ended_tells_all_of_it_and_closes(place: Site) -> None:
    run = await ended(place, ticking(3))
    source = EventSource(place, path_of(run))
    seen = await all_of(source)
    assert ids(seen) == await seqs(place.app, run)
    assert source.connections == 2
    assert source.frames.retry == 2_000


async def test_a_stream_says_how_it_is_to_be_kept(place: Site) -> None:
    run = await ended(place, ticking(1))
    got = await place.call("GET", path_of(run), headers={**STREAM, "X-Request-ID": "abc"})
    assert got.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["X-Accel-Buffering"] == "no"
    assert got.headers["X-Request-ID"] == "abc"
    assert got.headers["Server"] == "OpenRun"
    assert got.text.startswith("retry: 2000\n\nid: 1\nevent: FlowStarted\ndata: {")


async def test_whoever_comes_back_after_the_end_is_told_to_stop(place: Site) -> None:
    run = await ended(place, ticking(1))
    last = (await seqs(place.app, run))[-1]
    for after in (last, last + 5):
        got = await place.call("GET", path_of(run), headers={**STREAM, "Last-Event-ID": str(after)})
        assert (got.status, got.text) == (204, "")


async def test_the_last_event_id_goes_before_what_the_path_says(place: Site) -> None:
    run = await ended(place, ticking(2))
    everything = await seqs(place.app, run)
    from_path = await place.call("GET", path_of(run, "?after=2"), headers=STREAM)
    from_header = await place.call("GET", path_of(run, "?after=2"), headers={**STREAM, "Last-Event-ID": "4"})
    assert ids(list(Frames().feed(from_path.text.encode()))) == everything[2:]
    assert ids(list(Frames().feed(from_header.text.encode()))) == everything[4:]


@pytest.mark.parametrize("given", ["abc", "-1", "1.5", "9" * 40, "²"])
async def test_a_last_event_id_that_is_none_is_refused(place: Site, given: str) -> None:
    run = await ended(place, ticking(1))
    got = await place.call("GET", path_of(run), headers={**STREAM, "Last-Event-ID": given})
    assert got.status == 400


async def test_a_stream_in_which_nothing_happens_says_that_it_is_there(place: Site) -> None:
    run = await place.app.start(ticking(1))
    source = EventSource(place, path_of(run))
    async with asyncio.timeout(PATIENCE):
        async for event in source.events():
            if event.type == "StepProgress":
                await until(lambda: place.server.metrics.streams == 1)
                asyncio.get_running_loop().call_later(0.3, GATE.permits.release)
    assert source.frames.comments.count("hb") >= 2


async def test_progress_is_told_without_an_id_between_the_start_and_the_end_of_its_step(place: Site) -> None:
    run = await ended(place, ticking(3))
    seen = await all_of(EventSource(place, path_of(run)))
    told = [
        (event.type, json.loads(event.data)["step_id"])
        for event in seen
        if event.type.startswith("Step") and "begin" not in event.data
    ]
    steps = [f"t{number}" for number in range(3)]
    assert told == [
        (kind, each) for each in steps for kind in ("StepStarted", "StepProgress", "StepCompleted")
    ]
    progress = next(event for event in seen if event.type == "StepProgress")
    assert progress.id is None
    assert json.loads(progress.data)["data"] == {"note": "tick 0"}


async def test_steps_that_were_skipped_are_told_of_where_it_is_asked_for(place: Site) -> None:
    flow = Flow(name="Choice")
    begin = TriggerManual(id="begin")
    choice = StepConditional(
        id="choice", config=StepConditionalConfig(left=1, operator="greater_than", right=2)
    )
    flow.add_edge(begin, choice)
    flow.add_edge(choice, large(id="yes", size=1), source_port="true")
    flow.add_edge(choice, large(id="no", size=1), source_port="false")
    run = await ended(place, flow)
    plain = await all_of(EventSource(place, path_of(run)))
    told = await all_of(EventSource(place, path_of(run, "?skipped=true")))
    skipped = [event for event in told if event.type == "StepSkipped"]
    assert [json.loads(event.data)["step_id"] for event in skipped] == ["yes"]
    assert [event for event in told if event not in skipped] == plain
    cause = json.loads(skipped[0].data)["seq"]
    later = await place.call("GET", path_of(run, f"?skipped=true&after={cause}"), headers=STREAM)
    assert ids(list(Frames().feed(later.text.encode()))) == (await seqs(place.app, run))[cause:]


async def test_a_reader_that_reads_nothing_is_told_to_come_back_once_it_reads(
    place: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "openrun.server")
    run = await ended(place, chain(*(large(id=f"s{number}") for number in range(20))))
    async with await Wire.open(place.server.address) as wire:
        key = f"Bearer {place.key}"
        await wire.send(request("GET", path_of(run), Authorization=key, Accept="text/event-stream"))
        await until(lambda: "takes nothing" in caplog.text)
        reply = await wire.reply()
    frames = Frames()
    seen = list(frames.feed(reply.body))
    assert seen[-1].type == "resync"
    heard = ids(seen)
    assert json.loads(seen[-1].data) == {"after": heard[-1]}
    assert 0 < heard[-1] < (await seqs(place.app, run))[-1]
    rest = await all_of(EventSource(place, path_of(run, f"?after={heard[-1]}")))
    assert heard + ids(rest) == await seqs(place.app, run)


async def test_a_server_that_stops_ends_its_streams_in_good_order(place: Site) -> None:
    run = await place.app.start(ticking(1))
    headers = {**STREAM, "Authorization": f"Bearer {place.key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(place.server.url + path_of(run), headers=headers) as got,
    ):
        assert await got.content.readline() == b"retry: 2000\n"
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(place.server.stop(), got.read())
    assert place.server.metrics.streams == 0
    assert place.app.tails.followers == 0


async def test_a_stream_ends_with_the_key_that_opened_it(place: Site) -> None:
    run = await place.app.start(ticking(1))
    row, key = await place.server.keyring.create("short", Role.AUDITOR, "default")
    headers = {**STREAM, "Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.get(place.server.url + path_of(run), headers=headers) as got,
    ):
        assert await got.content.readline() == b"retry: 2000\n"
        await place.server.keyring.revoke(row.key_id)
        async with asyncio.timeout(PATIENCE):
            await got.read()
    assert (await place.call("GET", path_of(run), headers=STREAM, key=key)).status == 401


async def test_a_reader_that_goes_away_is_forgotten_and_the_run_goes_on(place: Site) -> None:
    run = await place.app.start(ticking(1))
    source = EventSource(place, path_of(run), cuts=iter([200]))
    await anext(source.events())
    await until(lambda: place.server.metrics.streams == 0 and place.app.tails.followers == 0)
    GATE.permits.release()
    assert (await run.finished()).status is RunStatus.SUCCEEDED


async def test_the_events_of_a_run_that_was_removed_are_gone(place: Site) -> None:
    run = await ended(place, ticking(1))
    await place.app.store.remove([run.run_id])
    for headers in ({}, STREAM):
        got = await place.call("GET", path_of(run), headers=headers)
        assert got.status == 410
        assert got.json["tombstone"]["status"] == "succeeded"


async def test_events_come_in_pages_too(place: Site) -> None:
    run = await ended(place, ticking(4))
    found: list[Any] = []
    path: str | None = path_of(run, "?limit=3")
    while path is not None:
        got = await place.call("GET", path)
        page = got.json
        assert len(page["items"]) <= 3
        found += page["items"]
        assert page["over"] is (page["next"] is None)
        path = got.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in got.headers else None
    assert found == [json.loads(row.body) for row in await place.app.store.events(run.run_id)]


async def test_a_page_ends_early_where_events_are_large(place: Site) -> None:
    run = await ended(place, chain(*(large(id=f"s{number}", size=1_900_000) for number in range(4))))
    got = await place.call("GET", path_of(run, "?limit=1000"))
    assert len(got.text) < 5 * 2**20
    assert got.json["next"] == got.json["items"][-1]["seq"]
    assert got.json["over"] is False


async def test_nobody_is_given_a_stream_for_the_headers_alone(place: Site) -> None:
    run = await place.app.start(ticking(1))
    got = await place.call("HEAD", path_of(run), headers=STREAM)
    assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
