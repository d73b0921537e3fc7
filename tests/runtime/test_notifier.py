"""Notifications as receivers see them: real servers on the loopback, and a clock that the tests move."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from standardwebhooks import WebhookVerificationError

from openrun.app import App
from openrun.flow import Flow
from openrun.net.http import HttpClient
from openrun.runtime.births import birth_of, unheld
from openrun.runtime.engine import prepare, started
from openrun.runtime.notifications import InvalidSubscription, UnknownNotification, UnknownSubscription
from openrun.runtime.notifier import Notifier, NotifierOptions
from openrun.runtime.outgoing import Outgoing
from openrun.runtime.redelivery import MOST_ATTEMPTS
from openrun.runtime.worker import WorkerOptions
from openrun.store.base import Store, StoreUnavailable
from openrun.store.memory import MemoryStore
from openrun.store.outbox import NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.projection import in_ms
from openrun.store.rows import Dedupe, Duplicate, RunFilter, Stale
from openrun.store.sqlite import SqliteStore
from openrun.testing import VirtualClock
from tests.runtime.hearer import OLD_SECRET, SECRET, Hearer, Says

QUICK = WorkerOptions(lease=5, poll=0.02, listen=0.02, patience=0.1, grace=1)
SECRETS = {"sign": SECRET, "old_sign": OLD_SECRET, "token": "canary-7f3a9c", "acme/sign": SECRET}
START = {"id": "start", "type": "trigger_manual"}


def flow_of(name: str, *steps: dict[str, Any], trigger: dict[str, Any] = START) -> Flow:
    ids = [trigger["id"], *(each["id"] for each in steps)]
    edges = [{"source": a, "target": b} for a, b in pairwise(ids)]
    return Flow.from_json(json.dumps({"name": name, "steps": [trigger, *steps], "edges": edges}))


def fails(message: str = "no luck") -> dict[str, Any]:
    return {"id": "boom", "type": "fail", "config": {"message": message, "code": "NO_LUCK"}}


GOOD = flow_of(
    "Good", {"id": "a", "type": "set_state", "config": {"key": "a", "value": "<<trigger.input.body?>>"}}
)
BAD = flow_of("Bad", fails())


@dataclass(frozen=True, slots=True)
class Place:
    """An app that tells, a receiver that may be told, and the time."""

    app: App
    hearer: Hearer
    clock: VirtualClock

    async def subscribe(self, *types: str, path: str = "/hook", **more: Any) -> SubscriptionRow:
        given = {"secret": "sign", **more}
        return await self.app.notifications.subscribe(self.hearer.url(path), types or ("run.*",), **given)

    async def run(self, flow: Flow = GOOD, **more: Any) -> str:
        run = await self.app.start(flow, **more)
        await run.finished()
        return run.run_id

    async def rows(self, **wanted: Any) -> list[NotificationRow]:
        return await self.app.notifications.deliveries(NotificationFilter(**wanted))

    async def row(self, holds: Callable[[NotificationRow], bool], **wanted: Any) -> NotificationRow:
        """The newest notification, once this holds of it."""
        found: list[NotificationRow] = []

        async def there() -> bool:
            found[:] = await self.rows(**wanted)
            return bool(found) and holds(found[0])

        await until(there)
        return found[0]

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.app.listening.outlet.hint()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        # The store has no signal for conditions like these.
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def a_place(
    store: Callable[[Callable[[], int]], Store] | None = None, **more: Any
) -> AsyncIterator[Place]:
    clock = VirtualClock()
    # Held once more than it is let go of: it never jumps.
    clock.hold()

    def now() -> int:
        return in_ms(clock.now())

    made = MemoryStore(now=now) if store is None else store(now)
    async with Hearer() as hearer:
        given = {"secrets": SECRETS, "allow": [hearer.address], **more}
        async with App(made, clock=clock, options=QUICK, **given) as app:
            yield Place(app, hearer, clock)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with a_place() as made:
        yield made


# -- what is sent ---------------------------------------------------------------------------------


async def test_what_is_posted_is_verified_by_the_package_of_the_standard(place: Place) -> None:
    # The package compares with the time of the machine.
    async with (
        Hearer() as hearer,
        App(":memory:", allow=[hearer.address], options=QUICK, secrets=SECRETS) as app,
    ):
        row = await app.notifications.subscribe(hearer.url(), ["run.*"], secret="sign")
        run = await app.start(BAD)
        await run.finished()
        started, failed = sorted(await hearer.reached(2), key=lambda each: int(each.data["seq"]))
        for each in (started, failed):
            assert each.verified() == each.json
            with pytest.raises(WebhookVerificationError):
                each.verified(OLD_SECRET)
            assert each.headers["content-type"] == "application/json"
        assert (started.type, failed.type) == ("run.started", "run.failed")
        assert failed.id == f"{run.run_id}-{failed.data['seq']}-{row.subscription_id}"
        assert (failed.data["run_id"], failed.data["status"]) == (run.run_id, "failed")
        assert failed.data["error"]["code"] == "NO_LUCK"
        assert set(failed.json) == {"type", "timestamp", "data"}


async def test_two_secrets_sign_while_one_is_replaced() -> None:
    async with (
        Hearer() as hearer,
        App(":memory:", allow=[hearer.address], options=QUICK, secrets=SECRETS) as app,
    ):
        await app.notifications.subscribe(hearer.url(), ["run.started"], secret="sign, old_sign")
        await app.start(GOOD)
        (heard,) = await hearer.reached(1)
        assert heard.verified(SECRET) == heard.verified(OLD_SECRET)


async def test_without_a_secret_nothing_is_signed(place: Place) -> None:
    await place.subscribe("run.started", secret=None)
    await place.run()
    (heard,) = await place.hearer.reached(1)
    assert "webhook-signature" not in heard.headers
    assert heard.id


async def test_only_what_was_subscribed_to_is_told(place: Place) -> None:
    await place.subscribe("run.failed", path="/failed")
    await place.subscribe("run.*", path="/bad", flow_id="bad")
    await place.subscribe("run.succeeded", "approval.requested", path="/good")
    other = place.app.space("acme")
    await other.notifications.subscribe(place.hearer.url("/acme"), ["run.*"], secret="sign")
    good, bad = await place.run(GOOD), await place.run(BAD)
    await place.hearer.reached(4)
    await until_told(place)
    told = sorted((each.path, each.type, each.data["run_id"]) for each in place.hearer.heard)
    assert told == [
        ("/bad", "run.failed", bad),
        ("/bad", "run.started", bad),
        ("/failed", "run.failed", bad),
        ("/good", "run.succeeded", good),
    ]


async def until_told(place: Place) -> None:
    """Wait until nothing waits to be delivered."""

    async def none_waits() -> bool:
        rows = await place.app.store.notifications(NotificationFilter())
        return all(row.due_at is None for row in rows)

    await until(none_waits)


async def test_a_person_who_is_asked_is_told_once_and_not_again_when_one_of_two_agrees(place: Place) -> None:
    await place.subscribe("approval.requested", "run.succeeded")
    ask = {"id": "ok", "type": "approval", "config": {"title": "Refund?", "quorum": 2}}
    start, end = (
        {"source": "start", "target": "ok"},
        {"source": "ok", "source_port": "approved", "target": "end"},
    )
    reply = {"id": "end", "type": "reply", "config": {"body": 1}}
    steps = [START, ask, reply]
    flow = Flow.from_json(json.dumps({"name": "Ask", "steps": steps, "edges": [start, end]}))
    run = await place.app.start(flow)
    (heard,) = await place.hearer.reached(1)
    (asked,) = heard.data["asks"]
    assert (asked["title"], asked["quorum"]) == ("Refund?", 2)
    for name in ("ada", "grace"):
        await place.app.waits.approve(asked["wait_id"], by=name)
    await run.finished()
    assert [each.type for each in await place.hearer.reached(2)] == ["approval.requested", "run.succeeded"]
    await until_told(place)
    assert len(place.hearer.heard) == 2


async def test_a_child_run_and_a_fork_are_told_of_too(place: Place) -> None:
    await place.app.add_flow(GOOD)
    await place.subscribe("run.started", "run.failed")
    parent = flow_of("Parent", {"id": "sub", "type": "subflow", "config": {"flow": "good"}}, fails())
    run_id = await place.run(parent)
    fork = await place.app.retry(run_id)
    await place.app.ended(fork.run_id)
    heard = await place.hearer.reached(5)
    of_fork = [each for each in heard if each.data["run_id"] == fork.run_id]
    assert sorted(each.type for each in of_fork) == ["run.failed", "run.started"]
    (begun,) = (each for each in of_fork if each.type == "run.started")
    assert begun.data["forked_from"] == run_id
    (child,) = (each for each in heard if each.data["flow_id"] == "good")
    assert child.data["parent_run_id"] == run_id


# -- commit ---------------------------------------------------------------------------------------


async def test_a_slice_that_is_refused_tells_nobody(place: Place) -> None:
    await place.subscribe("run.*")
    program = await place.app.add_flow(GOOD)
    now = place.clock.now()

    def born(run_id: str) -> Any:
        event = started(program, prepare(program, None, {}, {}), run_id, now)
        dedupe = Dedupe(key="once", payload_hash="a", expires_at=in_ms(now) + 60_000)
        return unheld(event, birth_of(event, "default", dedupe=dedupe))

    first, again = born("run-1"), born("run-2")
    assert first.notices
    assert again.notices
    await place.app.journal.write(first)
    assert isinstance(await place.app.journal.write(again), Duplicate)
    # Whoever does not hold the run has nothing to say of it.
    events = tuple(replace(each, seq=2, fence=9, hash="0" * 64) for each in first.events)
    zombie = replace(first, worker="zombie", fence=9, first=2, events=events, birth=None)
    assert isinstance(await place.app.journal.write(zombie), Stale)
    await place.app.ended("run-1")
    await place.hearer.reached(2)
    await until_told(place)
    assert sorted((each.data["run_id"], each.type) for each in place.hearer.heard) == [
        ("run-1", "run.started"),
        ("run-1", "run.succeeded"),
    ]


async def test_who_subscribes_later_is_not_told_of_what_was(place: Place) -> None:
    await place.run()
    await place.subscribe()
    assert await place.rows() == []


# -- what receivers answer ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_an_answer_of_the_two_hundreds_ends_it(place: Place, status: int) -> None:
    place.hearer.says(Says(status, body=b"x" * 3_000_000 if status == 200 else b""))
    await place.subscribe("run.started")
    await place.run()
    row = await place.row(lambda row: row.due_at is None)
    assert (row.delivered_at is not None, row.attempts, row.last_status) == (True, 1, status)


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
async def test_any_other_answer_is_tried_again_under_the_same_id(place: Place, status: int) -> None:
    place.hearer.says(Says(status), Says(204))
    await place.subscribe("run.started")
    await place.run()
    row = await place.row(lambda row: row.error is not None)
    assert (row.attempts, row.last_status, row.delivered_at, row.dead_at) == (1, status, None, None)
    place.pass_time(6)
    first, again = await place.hearer.reached(2)
    assert (first.id, first.body) == (again.id, again.body)
    assert int(again.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    row = await place.row(lambda row: row.delivered_at is not None)
    assert (row.attempts, row.last_status, row.error) == (2, 204, None)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_receiver_that_asks_for_patience_gets_it(place: Place, status: int) -> None:
    place.hearer.says(Says(status, {"Retry-After": "1800"}))
    await place.subscribe("run.started")
    await place.run()
    row = await place.row(lambda row: row.error is not None)
    assert row.due_at == in_ms(place.clock.now()) + 1_800_000


async def test_410_disables_the_subscription_and_enabling_it_tells_on(place: Place) -> None:
    place.hearer.says(Says(410), Says(204))
    made = await place.subscribe("run.started")
    await place.run()
    row = await place.row(lambda row: row.dead_at is not None)
    assert (row.attempts, row.last_status) == (1, 410)
    found = await place.app.notifications.get(made.subscription_id)
    assert found.disabled_at == in_ms(place.clock.now())
    assert "410" in (found.disabled_reason or "")
    await place.run()
    assert len(await place.rows()) == 1
    found = await place.app.notifications.enable(made.subscription_id)
    assert (found.disabled_at, found.disabled_reason) == (None, None)
    run_id = await place.run()
    assert [each.data["run_id"] for each in await place.hearer.reached(2)][1] == run_id


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_to_a_private_address_is_not_followed(place: Place, status: int) -> None:
    place.hearer.says(Says(status, {"Location": place.hearer.url("/private")}))
    await place.subscribe("run.started")
    await place.run()
    row = await place.row(lambda row: row.error is not None)
    assert "redirects are not followed" in (row.error or "")
    assert place.hearer.on("/private") == []


async def test_a_receiver_that_is_not_there_is_tried_again(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with a_place(allow=[f"127.0.0.1:{port}"]) as other:
        await other.app.notifications.subscribe(f"http://127.0.0.1:{port}/", ["run.started"])
        await other.run()
        row = await other.row(lambda row: row.error is not None)
        assert (row.attempts, row.last_status) == (1, None)
        assert "cannot connect" in (row.error or "")


async def test_a_name_that_comes_to_lead_to_a_private_address_is_refused_when_it_is_tried(
    place: Place,
) -> None:
    def inside(*_args: Any, **_more: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    made = await place.subscribe("run.started", secret=None)
    await place.run()
    row = await place.row(lambda row: row.due_at is None)
    moved = SubscriptionRow(
        subscription_id=made.subscription_id,
        namespace="default",
        url="http://receiver.example/hook",
        types=("run.*",),
        created_at=0,
    )
    async with HttpClient(lookup=inside) as http:
        how = await Outgoing(http=http, clock=place.clock, secrets={}).attempt(row, moved)
    assert "not a public address" in (how.error or "")
    assert not how.final


async def test_the_whole_schedule_leads_to_its_end_and_a_replay_begins_it_again(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.hearer.says(Says(500))
    await place.subscribe("run.started")
    await place.run()
    waited = []
    for attempt in range(1, MOST_ATTEMPTS):
        row = await place.row(lambda row, attempt=attempt: row.attempts == attempt and row.error is not None)  # type: ignore[misc]
        due = await settled(place, attempt)
        waited.append((due - in_ms(place.clock.now())) / 1_000)
        place.pass_time(waited[-1])
    schedule = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    assert all(0.9 * planned <= real <= 1.1 * planned for planned, real in zip(schedule, waited, strict=True))
    row = await place.row(lambda row: row.dead_at is not None)
    assert (row.attempts, row.due_at, row.error) == (10, None, "the receiver answered 500")
    assert "given up after 10 attempts" in caplog.text
    place.pass_time(90_000)
    assert [row.notification_id] == [each.notification_id for each in await place.rows(dead=True)]
    place.hearer.says(Says(204))
    await place.app.notifications.replay(row.notification_id)
    heard = await place.hearer.reached(11)
    assert {each.id for each in heard} == {row.notification_id}
    row = await place.row(lambda row: row.delivered_at is not None)
    assert (row.attempts, row.dead_at, row.error) == (1, None, None)


async def settled(place: Place, attempts: int) -> int:
    """When it is tried again, once the attempt of this number is written down."""

    def written(row: NotificationRow) -> bool:
        return row.attempts == attempts and row.last_status == 500 and (row.due_at or 0) != lease_end

    # While an attempt is under way, a row is due again at the end of its lease.
    lease_end = in_ms(place.clock.now()) + 120_000
    row = await place.row(written)
    assert row.due_at is not None
    return row.due_at


# -- one receiver and the others ------------------------------------------------------------------


async def test_a_receiver_that_never_answers_delays_nobody_else(place: Place) -> None:
    place.hearer.held.add("/dead")
    await place.subscribe("run.started", path="/dead")
    await place.subscribe("run.started", path="/alive")
    for _ in range(30):
        await place.run()
    assert len(await place.hearer.reached(30, "/alive")) == 30
    assert len(place.hearer.on("/dead")) == 4
    place.hearer.let_go()
    assert len(await place.hearer.reached(30, "/dead")) == 30
    assert len({each.id for each in place.hearer.on("/dead")}) == 30
    await until_told(place)
    assert {row.attempts for row in await place.rows()} == {1}


async def test_sixty_receivers_that_fail_and_then_never_answer_delay_nobody_else(place: Place) -> None:
    for number in range(60):
        path = f"/dead/{number}"
        place.hearer.says(Says(500), path=path)
        await place.subscribe("run.started", path=path)
    await place.run()
    await place.hearer.reached(60)
    await until_tried(place, 60)
    place.hearer.held.update(f"/dead/{number}" for number in range(60))
    await place.subscribe("run.started", path="/alive")
    for _ in range(5):
        await place.run()
    assert len(await place.hearer.reached(5, "/alive")) == 5
    assert all(len(place.hearer.on(f"/dead/{number}")) <= 2 for number in range(60))
    place.hearer.let_go()


async def test_a_receiver_that_fails_is_tried_with_one_at_a_time(place: Place) -> None:
    place.hearer.says(Says(500), Says(204), path="/ill")
    ill = await place.subscribe("run.started", path="/ill")
    await place.subscribe("run.started", path="/well")
    await place.run()
    await place.row(lambda row: row.error is not None, subscription_id=ill.subscription_id)
    place.hearer.held.add("/ill")
    for _ in range(10):
        await place.run()
    await place.hearer.reached(11, "/well")
    assert len(await place.hearer.reached(2, "/ill")) == 2
    place.hearer.let_go()
    assert len(await place.hearer.reached(11, "/ill")) == 11


# -- secrets --------------------------------------------------------------------------------------


async def test_a_secret_that_is_not_there_is_an_error_of_the_delivery(place: Place) -> None:
    await place.subscribe("run.started", secret="lost", check_secret=False)
    await place.run()
    row = await place.row(lambda row: row.error is not None)
    assert row.error == (
        "secret 'lost', which it is to be signed with, has no value in namespace 'default': "
        "give it one, or subscribe with another"
    )
    assert place.hearer.heard == []


async def test_a_namespace_signs_with_secrets_of_its_own(place: Place) -> None:
    acme = place.app.space("acme")
    with pytest.raises(InvalidSubscription, match="no secret 'token'"):
        await acme.notifications.subscribe(place.hearer.url(), ["run.*"], secret="token")
    row = await acme.notifications.subscribe(place.hearer.url(), ["run.*"], secret="sign")
    assert row.namespace == "acme"
    with pytest.raises(UnknownSubscription):
        await place.app.space("default").notifications.get(row.subscription_id)


async def test_no_secret_is_in_the_store_the_log_or_what_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "runs.db"
    async with a_place(lambda now: SqliteStore(file, now=now)) as place:
        place.hearer.says(Says(500, body=SECRET.encode()))
        await place.subscribe("run.*")
        await place.subscribe("run.*", secret="broken", check_secret=False)
        leak = flow_of("Leak", fails("said {{ trigger.input.body }}"))
        await place.run(leak, input={"body": f"{SECRETS['token']} {SECRET}"})
        await place.hearer.reached(2)
        await until_tried(place, 4)
        shown = repr(await place.rows()) + repr(await place.app.notifications.subscriptions())
        sent = b"".join(each.body for each in place.hearer.heard)
        kept = all_bytes(tmp_path)
    key = SECRET.removeprefix("whsec_")
    for text in (shown, caplog.text, sent.decode(), kept.decode("latin-1")):
        assert SECRETS["token"] not in text
        assert key not in text


def all_bytes(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


async def until_tried(place: Place, count: int) -> None:
    async def all_tried() -> bool:
        rows = await place.rows()
        return len(rows) == count and all(row.error is not None for row in rows)

    await until(all_tried)


# -- subscriptions --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "types", "words"),
    [
        ("https://example.com", [], "nothing is subscribed to"),
        ("https://example.com", ["run.faild"], "did you mean 'run.failed'"),
        ("https://example.com", ["*"], "no notifications of the type"),
        ("ftp://example.com", ["run.*"], "its scheme must be http or https"),
        ("https://ada:secret@example.com", ["run.*"], "must not carry a user or password"),
        ("http://127.0.0.1:9/", ["run.*"], "is not public; an operator opens it by adding '127.0.0.1:9'"),
        ("http://[::1]:9/", ["run.*"], "not public"),
        ("https://example.com/canary-7f3a9c", ["run.*"], "holds the value of a secret"),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(
    place: Place, url: str, types: list[str], words: str
) -> None:
    with pytest.raises(Exception, match=words.replace("'", ".").replace("(", ".")) as refused:
        await place.app.notifications.subscribe(url, types)
    assert "ada:secret" not in str(refused.value)
    assert await place.app.notifications.subscriptions() == []


async def test_a_secret_is_named_and_the_near_name_is_offered(place: Place) -> None:
    with pytest.raises(InvalidSubscription, match=r"no secret 'sing'.*'sign'"):
        await place.subscribe(secret="sing")
    with pytest.raises(InvalidSubscription, match="not signed"):
        await place.app.notifications.subscribe("openrun:events", ["run.*"], secret="sign")
    with pytest.raises(InvalidSubscription, match="at most 4"):
        await place.subscribe(secret="a,b,c,d,e", check_secret=False)


async def test_the_value_of_a_secret_in_the_place_of_its_name_is_refused(place: Place) -> None:
    with pytest.raises(InvalidSubscription, match="given by its name") as refused:
        await place.subscribe(secret="sign,whsec_Y2FuYXJ5", check_secret=False)
    assert "Y2FuYXJ5" not in str(refused.value)
    assert await place.app.notifications.subscriptions() == []


async def test_a_subscription_is_disabled_enabled_and_removed_with_what_it_was_told(place: Place) -> None:
    made = await place.subscribe("run.started")
    place.hearer.says(Says(500))
    await place.run()
    await place.row(lambda row: row.error is not None)
    off = await place.app.notifications.disable(made.subscription_id, "moving")
    assert (off.disabled_at, off.disabled_reason) == (in_ms(place.clock.now()), "moving")
    place.hearer.says(Says(204))
    place.pass_time(6)
    await place.app.notifications.enable(made.subscription_id)
    await place.hearer.reached(2)
    await place.app.notifications.remove(made.subscription_id)
    assert await place.rows() == []
    with pytest.raises(UnknownSubscription):
        await place.app.notifications.remove(made.subscription_id)
    with pytest.raises(UnknownNotification):
        await place.app.notifications.replay("nothing")


async def test_a_test_says_how_it_went_and_keeps_nothing(place: Place) -> None:
    made = await place.subscribe("run.failed")
    how = await place.app.notifications.test(made.subscription_id)
    assert (how.status, how.error) == (204, None)
    (heard,) = place.hearer.heard
    assert (heard.type, heard.data) == ("test.ping", {"subscription_id": made.subscription_id})
    place.hearer.says(Says(500))
    how = await place.app.notifications.test(made.subscription_id)
    assert (how.status, how.error) == (500, "the receiver answered 500")
    assert await place.rows() == []


# -- time, trouble and the end --------------------------------------------------------------------


async def test_what_was_delivered_is_forgotten_after_a_week(place: Place) -> None:
    await place.subscribe("run.started")
    await place.run()
    await place.row(lambda row: row.delivered_at is not None)
    place.pass_time(6.9 * 86_400)
    await place.run()
    await place.hearer.reached(2)
    await until_told(place)
    assert len(await place.rows()) == 2
    place.pass_time(0.2 * 86_400)
    await until(lambda: _length(place, 1))


async def _length(place: Place, count: int) -> bool:
    return len(await place.rows()) == count


async def test_a_store_that_is_away_for_a_while_delays_and_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = 3
    real = place.app.store.settle_notifications

    async def settle(rows: Any) -> None:
        nonlocal away
        away -= 1
        if away >= 0:
            raise StoreUnavailable("away")
        await real(rows)

    monkeypatch.setattr(place.app.store, "settle_notifications", settle)
    await place.subscribe("run.started")
    await place.run()
    row = await place.row(lambda row: row.delivered_at is not None)
    assert row.attempts == 1
    assert len(place.hearer.heard) == 1


async def test_it_goes_by_the_clock_of_the_store(place: Place) -> None:
    hour = 3_600_000
    async with a_place(lambda now: MemoryStore(now=lambda: now() + hour)) as behind:
        behind.hearer.says(Says(500), Says(204))
        await behind.subscribe("run.started")
        await behind.run()
        row = await behind.row(lambda row: row.error is not None)
        assert 4_500 <= (row.due_at or 0) - hour - in_ms(behind.clock.now()) <= 5_500
        behind.pass_time(6)
        await behind.hearer.reached(2)


async def test_what_was_taken_just_before_the_store_went_away_is_due_again_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = place.app.store.subscription, 2

    async def subscription(name: str) -> SubscriptionRow | None:
        nonlocal away
        away -= 1
        if away >= 0:
            raise StoreUnavailable("away")
        return await real(name)

    await place.subscribe("run.started")
    monkeypatch.setattr(place.app.store, "subscription", subscription)
    await place.run()
    row = await place.row(lambda row: row.delivered_at is not None)
    assert row.attempts == 3
    assert len(place.hearer.heard) == 1


async def test_what_is_under_way_when_it_stops_is_due_at_once(place: Place) -> None:
    place.hearer.held.add("/hook")
    made = await place.subscribe("run.started")
    await place.app.notifications.disable(made.subscription_id)
    await place.app.notifications.enable(made.subscription_id)
    store = place.app.store
    async with HttpClient() as http:
        outgoing = Outgoing(http=http, clock=place.clock, secrets=SECRETS)
        stopped = Notifier(store, outgoing, place.clock, NotifierOptions(grace=0.01))
        await stopped.stop()
    await place.run()
    await place.hearer.reached(1)
    await place.app.listening.notifier.stop()
    (row,) = await place.rows()
    assert (row.due_at, row.delivered_at, row.attempts) == (in_ms(place.clock.now()), None, 1)


# -- the event bus --------------------------------------------------------------------------------


def on_failure(name: str, *steps: dict[str, Any]) -> Flow:
    trigger = {
        "id": "failed",
        "type": "trigger_event",
        "config": {"event_type": "dev.openrun.run.failed.v1"},
    }
    return flow_of(name, *steps, trigger=trigger)


async def test_the_failure_of_a_run_starts_a_flow_that_listens_for_it(place: Place) -> None:
    handler = on_failure(
        "Handler", {"id": "say", "type": "reply", "config": {"body": "{{ event_data.error.code }}"}}
    )
    await place.app.add_flow(handler)
    await place.app.notifications.subscribe("openrun:events", ["run.failed"])
    failed = await place.run(BAD)
    await until(lambda: _runs_of(place, "handler", 1))
    (run,) = [row for row in await place.app.records.runs(RunFilter(limit=100)) if row.flow_id == "handler"]
    begun = (await place.app.facts(run.run_id))[0]
    given: dict[str, Any] = begun.input  # type: ignore[union-attr]
    assert given["event_type"] == "dev.openrun.run.failed.v1"
    assert given["event_data"]["run_id"] == failed
    assert given["event"]["source"] == "/flows/bad"
    assert given["event"]["subject"] == failed
    assert given["event"]["id"] == f"{failed}-{given['event_data']['seq']}"
    await place.app.ended(run.run_id)
    assert (await place.app.facts(run.run_id))[-1].output["body"] == "NO_LUCK"  # type: ignore[union-attr]


async def test_a_loop_of_flows_that_fail_on_failures_ends_by_hops(place: Place) -> None:
    await place.app.add_flow(on_failure("Again", fails()))
    await place.app.notifications.subscribe("openrun:events", ["run.failed"])
    await place.run(BAD)
    row = await place.row(lambda row: row.dead_at is not None)
    assert row.error == "not published: 8 events stand between its run and what came from outside"
    assert json.loads(row.data)["hops"] == 8
    assert await _runs_of(place, "again", 8)
    await until_told(place)
    assert len(await place.rows(dead=True)) == 1


async def _runs_of(place: Place, flow_id: str, count: int) -> bool:
    return (
        len([row for row in await place.app.records.runs(RunFilter(limit=100)) if row.flow_id == flow_id])
        == count
    )
