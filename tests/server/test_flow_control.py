"""Flow control over HTTP: callers of runs that wait for their turn, and more starts than the store takes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.runtime.worker import WorkerOptions
from openrun.store.memory import MemoryStore
from openrun.store.rows import RunFilter, Slice, Verdict
from tests.server.given import fails, finished, flow_of, sets, stands, started, waits
from tests.server.site import Got, Site, hook_flow, site


class Slow(MemoryStore):
    """Takes runs only while it is open; `reached` once it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.reached = asyncio.Event()

    async def commit(self, slices: Sequence[Slice]) -> list[Verdict]:
        self.reached.set()
        await self.is_open.wait()
        return await super().commit(slices)

    def shut(self) -> None:
        self.is_open.clear()
        self.reached.clear()


@pytest_asyncio.fixture
async def slow() -> AsyncIterator[tuple[Site, Slow]]:
    """A site that starts one run at a time."""
    store = Slow()
    flows = [hook_flow(), flow_of("plain", sets("a", x=1)), flow_of("fails", fails())]
    async with site(store, flows=flows, options=WorkerOptions(start_queue=1)) as it:
        yield it, store


async def busy(it: Site, store: Slow) -> "asyncio.Task[Got]":
    """A webhook that waits for the store, so that there is no place left."""
    store.shut()
    call = asyncio.create_task(it.hook("/greet/ada"))
    async with asyncio.timeout(10):
        await store.reached.wait()
    return call


def assert_turned_away(got: Got) -> None:
    assert (got.status, got.headers["Retry-After"]) == (429, "1")
    assert got.headers["Content-Type"].startswith("application/problem+json")
    assert (got.json["code"], got.json["retryable"]) == ("overloaded", True)


async def test_webhooks_starts_and_replays_are_turned_away_with_a_time_to_come_back(
    slow: tuple[Site, Slow],
) -> None:
    it, store = slow
    dead = await finished(it, "fails")
    delivered = (await it.hook("/greet/bob")).headers["OpenRun-Run"]
    await it.app.ended(delivered)
    first = await busy(it, store)
    for got in (
        await it.hook("/greet/eve"),
        await it.call("POST", "/v1/runs", body={"flow": "plain"}),
        await it.call("POST", f"/v1/dead-letters/{dead}/replay"),
        await it.call("POST", f"/v1/deliveries/{delivered}/replay", body={}),
        await it.call("POST", f"/v1/runs/{dead}/retry", body={}),
    ):
        assert_turned_away(got)
    store.is_open.set()
    assert (await first).status == 202
    assert len(await it.app.store.runs(RunFilter())) == 3


async def test_a_caller_who_comes_back_is_let_in_under_the_same_idempotency_key(
    slow: tuple[Site, Slow],
) -> None:
    it, store = slow
    first = await busy(it, store)
    asked = {"body": {"flow": "plain"}, "headers": {"Idempotency-Key": '"once"'}}
    assert_turned_away(await it.call("POST", "/v1/runs", **asked))  # type: ignore[arg-type]
    store.is_open.set()
    assert (await first).status == 202
    got = await it.call("POST", "/v1/runs", **asked)  # type: ignore[arg-type]
    assert got.status == 202
    assert (await it.app.ended(got.json["run_id"])).status is RunStatus.SUCCEEDED


async def test_what_was_turned_away_is_counted(slow: tuple[Site, Slow]) -> None:
    it, store = slow
    first = await busy(it, store)
    assert_turned_away(await it.hook("/greet/eve"))
    store.is_open.set()
    await first
    said = (await it.call("GET", "/metrics")).text
    assert 'openrun_backpressure_total{reason="start_queue"} 1.0' in said
    assert 'openrun_webhook_requests_total{result="overloaded",trigger="greet/hook"} 1.0' in said


def limited(mode: str, **control: Any) -> dict[str, Any]:
    flow = hook_flow(path="/greet/{name}", mode=mode, wait_seconds=30)
    return {**flow, "flow_control": {"key": "<<path.name>>", **control}}


@pytest.mark.parametrize("mode", ["respond", "last_step"])
async def test_a_caller_who_waits_is_answered_by_a_run_that_waited_for_its_turn(mode: str) -> None:
    async with site(flows=[limited(mode, concurrency=1)]) as it:
        for got in await asyncio.gather(*(it.hook("/greet/ada") for _ in range(5))):
            assert (got.status, got.json) == (201, {"hello": "ada"})


async def test_whoever_prefers_to_wait_is_answered_with_the_end_of_a_run_that_waited() -> None:
    flow = {**flow_of("plain", sets("a", x=1)), "flow_control": {"concurrency": 1}}
    async with site(flows=[flow]) as it:
        asked = {"body": {"flow": "plain"}, "headers": {"Prefer": "wait=30"}}
        for got in await asyncio.gather(*(it.call("POST", "/v1/runs", **asked) for _ in range(5))):  # type: ignore[arg-type]
            assert (got.status, got.json["status"]) == (200, "succeeded")


async def test_a_stream_tells_what_a_run_says_that_waited_for_its_turn() -> None:
    async with site(flows=[limited("stream", concurrency=1)]) as it:
        for got in await asyncio.gather(*(it.hook("/greet/ada") for _ in range(3))):
            told = [line for line in got.text.splitlines() if line.startswith("event: ")]
            assert told == ["event: accepted", "event: reply", "event: end"]


async def test_a_start_without_its_key_is_refused_with_the_name_of_the_field() -> None:
    limits = {"flow_control": {"key": "<<body.tenant>>", "concurrency": 1}}
    async with site(flows=[flow_of("plain", sets("a", x=1)) | limits, hook_flow() | limits]) as it:
        given = {"tenent": 1}
        for got in (
            await it.call("POST", "/v1/runs", body={"flow": "plain", "input": {"body": given}}),
            await it.hook("/greet/ada", given),
        ):
            assert got.status == 422
            assert "flow_control.key" in got.json["detail"]
            assert "did you mean 'tenent'?" in got.json["detail"]
        assert await it.app.store.runs(RunFilter()) == []


async def test_a_queued_run_says_so_and_is_not_stuck() -> None:
    flow = {**flow_of("plain", waits()), "flow_control": {"concurrency": 1}}
    async with site(flows=[flow]) as it:
        first = await started(it, "plain")
        await stands(it, first, RunStatus.WAITING)
        second = await started(it, "plain")
        got = await it.call("GET", f"/v1/runs/{second}")
        assert (got.json["status"], got.json["hold"]) == ("pending", "queued: flow_control of flow 'plain'")
        assert (await it.call("GET", "/v1/stuck")).json["items"] == []
