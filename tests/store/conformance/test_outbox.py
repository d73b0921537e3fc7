"""Notices become notifications in their slice's transaction, and each is delivered or given up, whoever else is slow."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.base import Store, StoreError
from openrun.store.outbox import Notice, NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.rows import Committed, Duplicate
from tests.store.given import NOW, Told, accepted, commit, enlisted, key, refused

LEASE_MS = 60_000
STRANGE = "ä😀' \u2028 \\u0000"


def subscription(subscription_id: str, **more: Any) -> SubscriptionRow:
    given: dict[str, Any] = {
        "namespace": "default", "url": f"https://{subscription_id}.example/hook", "types": ("run.*",),
        "created_at": NOW, **more,
    }  # fmt: skip
    return SubscriptionRow(subscription_id=subscription_id, **given)


def notice(kind: str = "run.started", seq: int = 1, **more: Any) -> Notice:
    given: dict[str, Any] = {"at": NOW, "data": f'{{"type":"{kind}"}}', **more}
    return Notice(type=kind, seq=seq, **given)


async def told(store: Store, *run_ids: str, **more: Any) -> None:
    """New runs, each with the notice that it has started."""
    await accepted(
        store,
        *(Told(each, worker=None, fence=0).begins(notices=(notice(),), **more) for each in run_ids),
    )


async def listed(store: Store, **wanted: Any) -> list[str]:
    rows = await store.notifications(NotificationFilter(**{"limit": 1_000, **wanted}))
    return [each.notification_id for each in rows]


async def taken(
    store: Store, now: int | None = None, most: int = 100, each: int = 100, **more: Any
) -> list[NotificationRow]:
    """What is due by now."""
    now = await store.now() if now is None else now
    return await store.take_notifications(now, most, each, LEASE_MS, **more)


async def one(store: Store, run_id: str = "r1") -> NotificationRow:
    """The only notification, taken for the first time."""
    await store.add_subscription(subscription("s"))
    await told(store, run_id)
    (row,) = await taken(store)
    return row


# -- subscriptions --------------------------------------------------------------------------------


async def test_a_subscription_is_kept_to_the_letter(store: Store) -> None:
    row = subscription(
        "s", url=f"https://example/{STRANGE}", types=("run.*", STRANGE, "a"), flow_id="orders", secret="hook",
        description=STRANGE, disabled_at=NOW, disabled_reason=STRANGE,
    )  # fmt: skip
    await store.add_subscription(row)
    assert await store.subscription("s") == row
    assert await store.subscriptions() == [row]
    assert await store.subscription("other") is None


async def test_a_subscription_that_is_added_again_is_no_act(store: Store) -> None:
    row = subscription("s")
    await store.add_subscription(row)
    await store.add_subscription(row)
    assert await store.subscriptions() == [row]


async def test_another_subscription_under_the_same_id_is_refused(store: Store) -> None:
    row = subscription("s")
    await store.add_subscription(row)
    with pytest.raises(StoreError, match="give this one another id"):
        await store.add_subscription(replace(row, url="https://other"))
    assert await store.subscriptions() == [row]


async def test_subscriptions_are_told_by_creation_of_one_namespace_or_of_all(store: Store) -> None:
    rows = [
        subscription(f"s{9 - place}", namespace=("default", "blue")[place % 2], created_at=NOW + place // 4)
        for place in range(8)
    ]
    for each in (*rows[4:], *rows[:4]):
        await store.add_subscription(each)
    assert await store.subscriptions() == rows
    assert await store.subscriptions("blue") == rows[1::2]
    assert await store.subscriptions("nowhere") == []


async def test_a_subscription_goes_with_its_notifications(store: Store) -> None:
    await store.add_subscription(subscription("a"))
    await store.add_subscription(subscription("b"))
    await told(store, "r1", "r2")
    assert await store.remove_subscription("a")
    assert not await store.remove_subscription("a")
    assert await listed(store) == ["r2-1-b", "r1-1-b"]
    await told(store, "r3")
    assert await listed(store, run_id="r3") == ["r3-1-b"]


# -- what is told ---------------------------------------------------------------------------------


async def test_a_notice_becomes_one_notification_for_each_who_wants_it(store: Store) -> None:
    await store.add_subscription(subscription("a"))
    await store.add_subscription(subscription("b"))
    before = await store.now()
    data = '{"text":"\\u0000 ä😀"}' * 100
    told = Told("r1", worker=None, fence=0)
    await accepted(store, told.begins(flow_id="bills", notices=(notice(seq=7, at=NOW + 5, data=data),)))
    row = await store.notification("r1-7-a")
    assert row is not None
    assert row.due_at is not None
    assert before <= row.due_at <= await store.now()
    assert row == NotificationRow(
        notification_id="r1-7-a", subscription_id="a", namespace="default", run_id="r1", flow_id="bills", seq=7,
        type="run.started", at=NOW + 5, data=data, due_at=row.due_at,
    )  # fmt: skip
    assert await listed(store) == ["r1-7-b", "r1-7-a"]


@pytest.mark.parametrize(
    ("types", "heard"),
    [
        (("run.*",), ["run.started", "run.succeeded", "run.wait.opened"]),
        (("run.started",), ["run.started"]),
        (("run.succeeded", "step.*", "run.started"), ["run.started", "run.succeeded"]),
        (("run.wait.*",), ["run.wait.opened"]),
        (("*",), ["run.started", "run.succeeded", "run.wait.opened", "runs_of.another"]),
        (("run", "run.start", "un.*", "RUN.*", "run.%", "run._tarted", "run.[s]*"), []),
        ((), []),
    ],
)
async def test_only_types_that_were_asked_for_are_told(
    store: Store, types: tuple[str, ...], heard: list[str]
) -> None:
    await store.add_subscription(subscription("s", types=types))
    kinds = ("run.started", "run.succeeded", "run.wait.opened", "runs_of.another")
    notices = tuple(notice(kind, seq) for seq, kind in enumerate(kinds, 1))
    await accepted(store, Told("r1", worker=None, fence=0).begins(notices=notices))
    rows = await store.notifications(NotificationFilter())
    assert sorted(each.type for each in rows) == heard


async def test_only_runs_of_the_flow_and_the_namespace_are_told_of(store: Store) -> None:
    await store.add_subscription(subscription("all"))
    await store.add_subscription(subscription("orders", flow_id="orders"))
    await store.add_subscription(subscription("blue", namespace="blue"))
    for namespace in ("default", "blue"):
        for flow_id in ("orders", "bills"):
            await told(store, f"{namespace}_{flow_id}", namespace=namespace, flow_id=flow_id)
    assert sorted(await listed(store)) == [
        "blue_bills-1-blue",
        "blue_orders-1-blue",
        "default_bills-1-all",
        "default_orders-1-all",
        "default_orders-1-orders",
    ]


async def test_slices_and_children_of_one_commit_are_all_told_of(store: Store) -> None:
    await enlisted(store, "w1")
    await store.add_subscription(subscription("s"))
    parent = Told("r1")
    child = Told("c1", worker=None, fence=0).begins(parent="r1", notices=(notice(),))
    over = notice("run.succeeded", 2)
    await accepted(store, parent.begins(notices=(notice(),), children=(child,)), parent.ends(notices=(over,)))
    assert sorted(await listed(store)) == ["c1-1-s", "r1-1-s", "r1-2-s"]


async def test_what_happened_before_a_subscription_is_not_told(store: Store) -> None:
    await told(store, "r1")
    await store.add_subscription(subscription("s"))
    assert await listed(store) == []


async def test_a_refused_slice_tells_nothing(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await store.add_subscription(subscription("s"))
    holder, stranger = Told("r1"), Told("r1", worker="w2")
    await accepted(store, holder.begins(dedupe=key("once")))
    stranger.seq, stranger.head = holder.seq, holder.head
    await refused(store, stranger.goes_on(notices=(notice(),)))
    again = Told("r2").begins(dedupe=key("once"), notices=(notice(),))
    assert isinstance(await commit(store, again), Duplicate)
    good = Told("r3").begins(notices=(notice(),))
    verdicts = await store.commit([Told("r9").goes_on(notices=(notice(),)), good])
    assert [type(each) for each in verdicts][1] is Committed
    assert await listed(store) == ["r3-1-s"]


async def test_a_repeated_commit_tells_nothing_twice(store: Store) -> None:
    await enlisted(store, "w1")
    await store.add_subscription(subscription("s"))
    run = Told("r1")
    slices = [run.begins(notices=(notice(),)), run.ends(notices=(notice("run.succeeded", 2),))]
    await accepted(store, *slices)
    before = await store.notifications(NotificationFilter())
    settled = [replace(each, due_at=None, delivered_at=NOW) for each in before]
    await store.settle_notifications(settled)
    for each in slices:
        assert isinstance(await commit(store, each), Committed)
    assert await store.notifications(NotificationFilter()) == settled


async def test_a_removed_run_takes_along_what_was_told_and_what_is_still_to_be_told_stays(
    store: Store,
) -> None:
    await enlisted(store, "w1")
    await store.add_subscription(subscription("s"))
    run = Told("r1")
    await accepted(store, run.begins(notices=(notice(),)), run.ends(notices=(notice("run.succeeded", 2),)))
    first, second = sorted(await store.notifications(NotificationFilter()), key=lambda row: row.seq)
    await store.settle_notifications([replace(first, due_at=None, dead_at=NOW)])
    await store.remove(["r1"])
    assert await listed(store) == [second.notification_id]


async def test_a_failed_run_is_told_of_like_any_other(store: Store) -> None:
    await enlisted(store, "w1")
    await store.add_subscription(subscription("s", types=("run.failed",)))
    run = Told("r1")
    over = (notice("run.failed", 2),)
    await accepted(store, run.begins(notices=(notice(),)), run.ends(RunStatus.FAILED, notices=over))
    assert await listed(store) == ["r1-2-s"]


# -- taking ---------------------------------------------------------------------------------------


async def test_what_was_taken_is_due_again_after_the_lease(store: Store) -> None:
    await store.add_subscription(subscription("s"))
    await told(store, "r1")
    due = await store.next_notification()
    assert due is not None
    assert await taken(store, due - 1) == []
    (row,) = await taken(store, due)
    assert (row.attempts, row.due_at) == (1, due + LEASE_MS)
    assert await store.notification(row.notification_id) == row
    assert await taken(store, due + LEASE_MS - 1) == []
    (again,) = await taken(store, due + LEASE_MS)
    assert again == replace(row, attempts=2, due_at=due + 2 * LEASE_MS)


async def test_those_that_are_due_longest_are_taken_first(store: Store) -> None:
    for each in ("a", "b"):
        await store.add_subscription(subscription(each))
    await told(store, "r1", "r2", "r3")
    rows = {each.notification_id: each for each in await taken(store)}
    order = ["r2-1-b", "r1-1-a", "r3-1-b", "r2-1-a", "r1-1-b", "r3-1-a"]
    await store.settle_notifications(
        [replace(rows[each], due_at=NOW + place) for place, each in enumerate(order)]
    )
    assert [each.notification_id for each in await taken(store, NOW + 4, most=4)] == order[:4]
    assert [each.notification_id for each in await taken(store, NOW + 4)] == order[4:5]


async def test_one_dead_receiver_keeps_nobody_from_being_told(store: Store) -> None:
    await store.add_subscription(subscription("dead", types=("run.progress",)))
    await store.add_subscription(subscription("well", types=("run.started",)))
    floods = [
        tuple(notice("run.progress", batch * 2_000 + seq) for seq in range(2_000)) for batch in range(5)
    ]
    await accepted(
        store,
        *(
            Told(f"f{place}", worker=None, fence=0).begins(notices=flood)
            for place, flood in enumerate(floods)
        ),
    )
    await told(store, "r1", "r2")
    first = await taken(store, most=10, each=5)
    assert sorted(each.subscription_id for each in first) == ["dead"] * 5 + ["well"] * 2
    assert len(await listed(store, subscription_id="dead", limit=20_000)) == 10_000
    assert [each.subscription_id for each in await taken(store, most=10, each=5)] == ["dead"] * 5


async def test_those_whose_receivers_are_busy_are_left_out(store: Store) -> None:
    for each in ("a", "b", "c"):
        await store.add_subscription(subscription(each))
    await told(store, "r1", "r2")
    assert {each.subscription_id for each in await taken(store, without=("a", "c", "nobody"))} == {"b"}
    left = await taken(store, each=1)
    assert [(each.subscription_id, each.attempts) for each in left] == [("a", 1), ("c", 1)]


async def test_nothing_is_taken_where_nothing_is_wanted(store: Store) -> None:
    await store.add_subscription(subscription("a"))
    await told(store, "r1")
    assert await taken(store, most=0) == []
    assert await taken(store, each=0) == []
    assert len(await taken(store)) == 1


async def test_no_two_takers_get_the_same_notification(store: Store, twin: Store) -> None:
    for each in ("a", "b"):
        await store.add_subscription(subscription(each))
    await told(store, *(f"r{number}" for number in range(60)))
    got = await asyncio.gather(
        *(taken((store, twin)[place % 2], most=9, each=7) for place in range(16)),
    )
    rest = await taken(store, most=1_000, each=1_000)
    names = [each.notification_id for some in (*got, rest) for each in some]
    assert len(names) == len(set(names)) == 120


async def test_a_disabled_subscription_is_told_nothing_more_and_what_waits_goes_on_waiting(
    store: Store,
) -> None:
    await store.add_subscription(subscription("s"))
    await told(store, "r1")
    due = await store.next_notification()
    assert await store.disable_subscription("s", at=NOW + 1, reason="410 Gone")
    row = await store.subscription("s")
    assert row == subscription("s", disabled_at=NOW + 1, disabled_reason="410 Gone")
    await told(store, "r2")
    assert await taken(store) == []
    assert await store.next_notification() is None
    assert await store.disable_subscription("s", at=None)
    assert await store.subscription("s") == subscription("s")
    assert await store.next_notification() == due
    assert [each.run_id for each in await taken(store)] == ["r1"]
    assert not await store.disable_subscription("nobody", at=NOW)


# -- what becomes of them -------------------------------------------------------------------------


async def test_what_was_delivered_is_over(store: Store) -> None:
    row = await one(store)
    done = replace(row, due_at=None, delivered_at=NOW + 9, last_status=204)
    await store.settle_notifications([done])
    assert await store.notification(row.notification_id) == done
    assert await taken(store, NOW * 2) == []
    assert await store.next_notification() is None


async def test_an_attempt_that_failed_is_made_again_when_it_is_due(store: Store) -> None:
    row = await one(store)
    later = replace(row, due_at=NOW * 2, last_status=503, error=f"busy {STRANGE}")
    await store.settle_notifications([later])
    assert await store.notification(row.notification_id) == later
    assert await store.next_notification() == NOW * 2
    assert await taken(store, NOW * 2 - 1) == []
    (again,) = await taken(store, NOW * 2)
    assert (again.attempts, again.last_status) == (2, 503)


async def test_one_that_was_given_up_waits_for_somebody_to_try_it_again(store: Store) -> None:
    row = await one(store)
    dead = replace(row, due_at=None, dead_at=NOW, error="no such host")
    await store.settle_notifications([dead])
    assert await taken(store, NOW * 2) == []
    assert await listed(store, dead=True) == [row.notification_id]
    assert await store.revive_notification(row.notification_id, NOW + 4)
    assert not await store.revive_notification(row.notification_id, NOW + 4)
    assert not await store.revive_notification("nothing", NOW)
    assert await listed(store, dead=True) == []
    (again,) = await taken(store, NOW + 4)
    assert (again.attempts, again.dead_at) == (1, None)


async def test_what_one_has_delivered_another_does_not_give_up(store: Store) -> None:
    row = await one(store)
    done = replace(row, due_at=None, delivered_at=NOW, last_status=200)
    await store.settle_notifications([done])
    await store.settle_notifications([replace(row, due_at=None, dead_at=NOW, error="too late")])
    assert await store.notification(row.notification_id) == done


async def test_one_that_was_delivered_may_be_sent_again(store: Store) -> None:
    row = await one(store)
    await store.settle_notifications([replace(row, due_at=None, delivered_at=NOW)])
    assert await store.revive_notification(row.notification_id, NOW + 4)
    (again,) = await taken(store, NOW + 4)
    assert (again.attempts, again.delivered_at) == (1, None)


async def test_many_are_settled_at_once_and_none_that_is_gone(store: Store) -> None:
    await store.add_subscription(subscription("s"))
    await told(store, "r1", "r2")
    rows = await taken(store)
    gone = replace(rows[0], notification_id="gone")
    settled = [
        replace(rows[1], due_at=None, dead_at=NOW, error="no"),
        replace(rows[0], due_at=None, delivered_at=NOW, last_status=200),
    ]
    await store.settle_notifications([gone, *settled])
    await store.settle_notifications([])
    assert [await store.notification(each.notification_id) for each in settled] == settled
    assert await store.notification("gone") is None


# -- lists and forgetting -------------------------------------------------------------------------


async def test_notifications_are_listed_newest_first_by_what_is_asked_for(store: Store) -> None:
    for each in ("default_a", "default_b", "blue_a", "blue_b"):
        await store.add_subscription(subscription(each, namespace=each[:-2]))
    for place in range(8):
        told = Told(f"r{place}", worker=None, fence=0)
        its = notice(at=NOW + place // 3)
        await accepted(store, told.begins(namespace=("default", "blue")[place % 2], notices=(its,)))
    rows = await taken(store)
    await store.settle_notifications(
        [
            replace(
                each,
                due_at=None if place % 3 else NOW,
                dead_at=NOW if place % 3 == 1 else None,
                delivered_at=NOW if place % 3 == 2 else None,
            )
            for place, each in enumerate(rows)
        ]
    )
    rows = await store.notifications(NotificationFilter())
    assert rows == sorted(rows, key=lambda each: (each.at, each.notification_id), reverse=True)
    assert len(rows) == 16
    page = (rows[4].at, rows[4].notification_id)
    for namespace in (None, "default", "blue", "nowhere"):
        for subscription_id in (None, "blue_a", "nobody"):
            for run_id in (None, "r1", "r2"):
                for dead, delivered in (
                    (None, None),
                    (True, None),
                    (False, None),
                    (None, True),
                    (None, False),
                ):
                    for before in (None, page):
                        expected = [
                            each.notification_id
                            for each in rows
                            if namespace in (None, each.namespace)
                            and subscription_id in (None, each.subscription_id)
                            and run_id in (None, each.run_id)
                            and dead in (None, each.dead_at is not None)
                            and delivered in (None, each.delivered_at is not None)
                            and (before is None or (each.at, each.notification_id) < before)
                        ]
                        wanted = {
                            "namespace": namespace, "subscription_id": subscription_id, "run_id": run_id,
                            "dead": dead, "delivered": delivered, "before": before,
                        }  # fmt: skip
                        assert await listed(store, **wanted) == expected, wanted
                        assert await listed(store, **wanted, limit=1) == expected[:1], wanted


async def test_only_what_was_delivered_is_forgotten(store: Store) -> None:
    await store.add_subscription(subscription("s"))
    await told(store, *(f"r{number}" for number in range(6)))
    rows = sorted(await taken(store), key=lambda each: each.run_id)
    await store.settle_notifications(
        [
            *(replace(each, due_at=None, delivered_at=NOW + place) for place, each in enumerate(rows[:4])),
            replace(rows[4], due_at=None, dead_at=NOW),
        ]
    )
    assert await store.forget_notifications(NOW) == 0
    assert await store.forget_notifications(NOW + 3, 1) == 1
    assert await listed(store, delivered=True) == ["r3-1-s", "r2-1-s", "r1-1-s"]
    assert await store.forget_notifications(NOW + 3) == 2
    assert await listed(store) == ["r5-1-s", "r4-1-s", "r3-1-s"]


async def test_while_others_come_and_go_each_run_is_told_to_all_who_stay(store: Store, twin: Store) -> None:
    await store.add_subscription(subscription("stays"))

    async def come_and_go() -> None:
        for number in range(20):
            await twin.add_subscription(subscription(f"passes{number}"))
            assert await twin.remove_subscription(f"passes{number}")

    async def tell() -> None:
        for number in range(30):
            await told(store, f"r{number}")

    await asyncio.gather(come_and_go(), tell())
    assert len(await listed(store, subscription_id="stays")) == 30
    assert {each.subscription_id for each in await store.notifications(NotificationFilter())} == {"stays"}
