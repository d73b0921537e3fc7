"""Events that were published are kept once, handed out by lease, and stay until they are handled or given up."""

import asyncio
from typing import Any

from msgspec.structs import replace

from openrun.store.base import Store
from openrun.store.bus_events import BusEventFilter, BusEventRow, GatheredRow
from tests.store.given import NOW

LEASE_MS = 30_000
STRANGE = "ä😀' \u2028 \\u0000"


def event(event_id: str, **more: Any) -> BusEventRow:
    given: dict[str, Any] = {
        "namespace": "default", "source": "/shop", "type": "order.placed", "body": f'{{"id":"{event_id}"}}',
        "received_at": NOW, "due_at": NOW, **more,
    }  # fmt: skip
    return BusEventRow(event_id=event_id, **given)


async def published(store: Store, *rows: BusEventRow) -> list[BusEventRow]:
    """These rows with their numbers; all must be new."""
    numbers = await store.publish(rows)
    assert all(numbers), numbers
    return [replace(row, number=number) for row, number in zip(rows, numbers, strict=True)]


async def taken(store: Store, now: int = NOW, most: int = 100) -> list[str]:
    return [each.event_id for each in await store.take_bus_events(now, most, LEASE_MS)]


async def listed(store: Store, **wanted: Any) -> list[str]:
    return [each.event_id for each in await store.bus_events(BusEventFilter(**wanted))]


# -- publishing -----------------------------------------------------------------------------------


async def test_an_event_is_kept_to_the_letter(store: Store) -> None:
    row = event(STRANGE, source=STRANGE, type="a.ä", body='{"text":"\\u0000 ä😀"}' * 1_000)
    (kept,) = await published(store, row)
    assert await store.bus_event(kept.number) == kept
    assert await store.bus_events(BusEventFilter()) == [kept]


async def test_numbers_grow_in_the_order_in_which_events_are_given(store: Store) -> None:
    numbers = [
        number
        for batch in range(4)
        for number in await store.publish([event(f"e{(9 - place) * 10 + batch}") for place in range(10)])
    ]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0
    assert await listed(store, limit=2) == ["e3", "e13"]


async def test_an_event_is_known_by_namespace_source_and_id(store: Store) -> None:
    first = event("e1")
    await published(store, first, event("e1", source="/other"), event("e1", namespace="blue"), event("e2"))
    known, fresh = await store.publish([replace(first, body="[]", type="other"), event("e3")])
    assert (known, fresh > 0) == (0, True)
    rows = await store.bus_events(BusEventFilter(namespace="default"))
    assert sorted((each.source, each.event_id) for each in rows) == [
        ("/other", "e1"),
        ("/shop", "e1"),
        ("/shop", "e2"),
        ("/shop", "e3"),
    ]
    assert all(each.type == "order.placed" for each in rows)


async def test_of_those_that_are_named_twice_at_once_the_first_is_kept(store: Store) -> None:
    numbers = await store.publish([event("a"), event("b"), event("a", body="[]"), event("c"), event("b")])
    assert [bool(each) for each in numbers] == [True, True, False, True, False]
    kept = await store.bus_event(numbers[0])
    assert kept is not None
    assert kept.body == event("a").body
    assert await listed(store) == ["c", "b", "a"]


async def test_of_many_who_publish_the_same_one_does(store: Store, twin: Store) -> None:
    names = [f"e{number}" for number in range(20)]
    answers = await asyncio.gather(
        *(
            (store, twin)[place % 2].publish([event(each) for each in (names if place % 3 else names[::-1])])
            for place in range(8)
        )
    )
    numbers = [number for answer in answers for number in answer if number]
    assert len(numbers) == len(set(numbers)) == len(names)
    assert sorted(await listed(store)) == sorted(names)


async def test_an_event_may_be_published_when_its_first_delivery_is_under_way(store: Store) -> None:
    (kept,) = await published(store, event("a", due_at=NOW + 3_000, attempts=1))
    assert await store.bus_event(kept.number) == kept
    assert await taken(store) == []
    (again,) = await store.take_bus_events(NOW + 3_000, 9, LEASE_MS)
    assert again.attempts == 2


async def test_nothing_is_published_by_nobody(store: Store) -> None:
    assert await store.publish([]) == []
    assert await store.bus_event(1) is None


# -- taking ---------------------------------------------------------------------------------------


async def test_events_are_taken_when_they_are_due_longest_due_first(store: Store) -> None:
    await published(
        store,
        event("late", due_at=NOW + 1),
        event("b", due_at=NOW),
        event("a", due_at=NOW - 5),
        event("c", due_at=NOW),
        event("never", due_at=None),
    )
    assert await store.next_bus_event() == NOW - 5
    assert await taken(store, most=2) == ["a", "b"]
    assert await taken(store) == ["c"]
    assert await taken(store) == []
    assert await store.next_bus_event() == NOW + 1
    assert await taken(store, now=NOW + 1) == ["late"]


async def test_what_was_taken_is_told_as_it_is_after_that(store: Store) -> None:
    (row,) = await published(store, event("a"))
    expected = replace(row, due_at=NOW + LEASE_MS, attempts=1)
    assert await store.take_bus_events(NOW, 9, LEASE_MS) == [expected]
    assert await store.bus_event(row.number) == expected


async def test_an_event_is_taken_again_once_the_lease_is_over(store: Store) -> None:
    await published(store, event("a"))
    assert await taken(store) == ["a"]
    assert await taken(store, now=NOW + LEASE_MS - 1) == []
    (again,) = await store.take_bus_events(NOW + LEASE_MS, 9, LEASE_MS)
    assert again.attempts == 2


async def test_no_two_takers_get_the_same_event(store: Store, twin: Store) -> None:
    await published(store, *(event(f"e{number}") for number in range(200)))
    got = await asyncio.gather(*(taken((store, twin)[place % 2], most=13) for place in range(20)))
    rest = await taken(store, most=1_000)
    names = [each for some in (*got, rest) for each in some]
    assert sorted(names) == sorted(f"e{number}" for number in range(200))


async def test_of_nothing_nothing_is_taken(store: Store) -> None:
    await published(store, event("a"))
    assert await taken(store, most=0) == []
    assert await taken(store) == ["a"]


# -- what becomes of them -------------------------------------------------------------------------


async def test_a_handled_event_is_never_taken_again(store: Store) -> None:
    a, b = await published(store, event("a"), event("b"))
    await taken(store)
    await store.bus_events_handled([a.number], NOW + 7)
    await store.bus_events_handled([], NOW + 8)
    done = await store.bus_event(a.number)
    assert done == replace(a, attempts=1, due_at=None, handled_at=NOW + 7)
    assert await taken(store, now=NOW * 2) == [b.event_id]


async def test_one_that_is_handled_twice_was_handled_the_first_time(store: Store) -> None:
    (a,) = await published(store, event("a"))
    await store.bus_events_handled([a.number], NOW + 7)
    await store.bus_events_handled([a.number], NOW + 9)
    row = await store.bus_event(a.number)
    assert row is not None
    assert row.handled_at == NOW + 7


async def test_a_failed_event_is_due_again_or_given_up(store: Store) -> None:
    a, b = await published(store, event("a"), event("b"))
    await taken(store)
    again = replace(a, due_at=NOW + 500, attempts=1, error=f"no {STRANGE}")
    over = replace(b, due_at=None, attempts=1, dead_at=NOW + 1, error="never")
    await store.bus_events_failed([over, again])
    assert await store.bus_event(a.number) == again
    assert await store.bus_event(b.number) == over
    assert await store.next_bus_event() == NOW + 500
    assert await taken(store, now=NOW * 2) == ["a"]


async def test_a_failure_may_give_an_attempt_back(store: Store) -> None:
    (a,) = await published(store, event("a"))
    (row,) = await store.take_bus_events(NOW, 9, LEASE_MS)
    await store.bus_events_failed([replace(row, due_at=NOW, attempts=0)])
    assert await store.bus_event(a.number) == a


async def test_what_was_handled_cannot_fail_any_more(store: Store) -> None:
    a, b = await published(store, event("a"), event("b"))
    await store.bus_events_handled([a.number], NOW)
    before = await store.bus_event(a.number)
    await store.bus_events_failed([replace(each, due_at=NOW, dead_at=NOW, error="no") for each in (a, b)])
    assert await store.bus_event(a.number) == before
    assert await listed(store, dead=True) == ["b"]


async def test_one_that_was_given_up_and_is_handled_after_all_is_not_given_up(store: Store) -> None:
    (a,) = await published(store, event("a"))
    await store.bus_events_failed([replace(a, due_at=None, dead_at=NOW)])
    await store.bus_events_handled([a.number], NOW + 1)
    assert await listed(store, dead=True) == []
    assert not await store.revive_bus_event(a.number, NOW)


async def test_one_that_was_given_up_may_be_taken_again(store: Store) -> None:
    a, b = await published(store, event("a"), event("b"))
    await taken(store)
    await store.bus_events_failed([replace(a, due_at=None, dead_at=NOW, attempts=5, error="no")])
    assert await store.revive_bus_event(a.number, NOW + 3)
    assert not await store.revive_bus_event(a.number, NOW + 3)
    assert not await store.revive_bus_event(b.number, NOW + 3)
    assert not await store.revive_bus_event(99, NOW + 3)
    assert await taken(store, now=NOW + 2) == []
    (row,) = await store.take_bus_events(NOW + 3, 9, LEASE_MS)
    assert (row.event_id, row.attempts, row.dead_at) == ("a", 1, None)


# -- lists ----------------------------------------------------------------------------------------


async def test_events_are_listed_newest_first_by_what_is_asked_for(store: Store) -> None:
    spaces, types = ("default", "blue"), ("a", "b", "a.b")
    rows = await published(
        store,
        *(event(f"e{place}", namespace=spaces[place % 2], type=types[place % 3]) for place in range(24)),
    )
    dead = [replace(each, due_at=None, dead_at=NOW) for each in rows if each.number % 4 == 0]
    await store.bus_events_failed(dead)
    gone = {each.number for each in dead}
    for namespace in (None, *spaces, "nowhere"):
        for kind in (None, "a", "c"):
            for is_dead in (None, True, False):
                for before in (None, rows[11].number):
                    expected = [
                        each.event_id
                        for each in reversed(rows)
                        if namespace in (None, each.namespace)
                        and kind in (None, each.type)
                        and is_dead in (None, each.number in gone)
                        and (before is None or each.number < before)
                    ]
                    wanted = {"namespace": namespace, "type": kind, "dead": is_dead, "before": before}
                    assert await listed(store, **wanted) == expected, wanted
                    assert await listed(store, **wanted, limit=2) == expected[:2], wanted


# -- forgetting -----------------------------------------------------------------------------------


async def test_what_was_handled_is_forgotten_in_time_and_may_then_come_again(store: Store) -> None:
    rows = await published(store, *(event(f"e{number}") for number in range(6)))
    await store.bus_events_handled([rows[0].number, rows[1].number], NOW)
    await store.bus_events_handled([rows[2].number], NOW + 1)
    await store.bus_events_failed([replace(rows[3], due_at=None, dead_at=NOW - 9)])
    assert await store.forget_bus_events(NOW) == 0
    assert await store.forget_bus_events(NOW + 1, 1) == 1
    assert await store.forget_bus_events(NOW + 1) == 1
    assert await listed(store) == ["e5", "e4", "e3", "e2"]
    (number,) = await store.publish([event("e0")])
    assert number > rows[-1].number


async def test_gathered_events_are_forgotten_with_them(store: Store) -> None:
    (row,) = await published(store, event("e0"))
    await store.bus_events_handled([row.number], NOW)
    for number in range(3):
        await store.gather(gathered(f"g{number}", expires_at=NOW + number))
    assert await store.forget_bus_events(NOW + 2, 2) == 2
    assert await store.forget_bus_events(NOW + 2) == 1
    assert await store.forget_bus_events(NOW + 2) == 0
    assert [each.event_id for each in await store.gather(gathered("g9", at=0))] == ["g2", "g9"]


# -- gathering ------------------------------------------------------------------------------------


def gathered(event_id: str, **more: Any) -> GatheredRow:
    given: dict[str, Any] = {
        "namespace": "default", "flow_id": "orders", "trigger": "both", "key": "k", "part": 0, "source": "/shop",
        "at": NOW, "expires_at": NOW + 1_000, "body": "{}", **more,
    }  # fmt: skip
    return GatheredRow(event_id=event_id, **given)


async def test_a_gathered_event_is_kept_to_the_letter(store: Store) -> None:
    row = gathered(STRANGE, key=STRANGE * 500, source=STRANGE, body='{"a":"\\u0000 ä"}' * 500)
    assert await store.gather(row) == [row]


async def test_events_that_belong_together_come_in_the_order_in_which_they_were_gathered(
    store: Store,
) -> None:
    rows = [gathered("b", at=NOW + 5), gathered("a", part=1, at=NOW), gathered("a", part=0, at=NOW + 1)]
    for number, each in enumerate(rows, 1):
        assert await store.gather(each) == rows[:number]


async def test_an_event_that_is_gathered_again_is_no_act(store: Store) -> None:
    first, second = gathered("a"), gathered("b", part=1)
    await store.gather(first)
    await store.gather(second)
    assert await store.gather(replace(first, body="[]", expires_at=NOW * 2)) == [first, second]


async def test_of_a_flood_of_one_part_only_the_first_are_read(store: Store) -> None:
    rows = [gathered(f"e{number}") for number in range(30)]
    for each in rows:
        await store.gather(each)
    other = gathered("other", part=1)
    assert await store.gather(other) == [*rows[:20], other]
    await store.ungather(rows[:5])
    assert await store.gather(other) == [*rows[5:25], other]


async def test_what_has_expired_is_gathered_no_more(store: Store) -> None:
    await store.gather(gathered("a", expires_at=NOW + 10))
    later = gathered("b", at=NOW + 10, expires_at=NOW + 20)
    assert await store.gather(later) == [later]


async def test_only_events_of_one_trigger_and_key_belong_together(store: Store) -> None:
    for other in ({"namespace": "blue"}, {"flow_id": "bills"}, {"trigger": "any"}, {"key": ""}):
        row = gathered("a", **other)
        assert await store.gather(row) == [row]
    row = gathered("a")
    assert await store.gather(row) == [row]


async def test_what_is_taken_out_is_gone_and_the_rest_stays(store: Store) -> None:
    rows = [gathered("a"), gathered("a", part=1), gathered("b"), gathered("a", key="other")]
    for each in rows:
        await store.gather(each)
    await store.ungather([rows[0], rows[2], gathered("nothing")])
    await store.ungather([])
    assert await store.gather(rows[1]) == [rows[1]]
    assert await store.gather(rows[3]) == [rows[3]]


async def test_of_those_who_gather_at_once_the_last_sees_all(store: Store, twin: Store) -> None:
    for turn in range(10):
        rows = [gathered(f"e{place}", part=place, key=f"k{turn}") for place in range(8)]
        answers = await asyncio.gather(
            *((store, twin)[place % 2].gather(each) for place, each in enumerate(rows))
        )
        assert sorted(map(len, answers)) == list(range(1, 9))
        longest = max(answers, key=len)
        assert sorted(longest, key=lambda each: each.part) == rows
        assert all(answer == longest[: len(answer)] for answer in answers)
