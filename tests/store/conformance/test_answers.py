"""What a request was answered is kept until it expires, the first answer before any later one."""

import asyncio
from typing import Any

from msgspec.structs import replace

from openrun.store.base import Store
from openrun.store.books import AnswerRow
from tests.store.given import NOW

LATER = NOW + 1_000


def row(key: str = "k1", **more: Any) -> AnswerRow:
    given: dict[str, Any] = {
        "scope": "ada POST /runs", "request_hash": "h", "status": 202, "headers": '{"Location":"/r1"}', "body": "{}",
        "expires_at": LATER, **more,
    }  # fmt: skip
    return AnswerRow(key=key, **given)


async def test_an_answer_is_kept_to_the_letter(store: Store) -> None:
    whole = row("ä😀'", body='{"a":"\\u0000 ä"}' * 10_000, scope="\u2028")
    assert await store.keep_answer(whole, NOW) == whole
    assert await store.kept_answer(whole.scope, whole.key, NOW) == whole


async def test_an_answer_is_known_by_scope_and_key(store: Store) -> None:
    rows = [row("a"), row("b"), row("a", scope="bob POST /runs", status=409)]
    for each in rows:
        await store.keep_answer(each, NOW)
    for each in rows:
        assert await store.kept_answer(each.scope, each.key, NOW) == each
    assert await store.kept_answer("bob POST /runs", "b", NOW) is None
    assert await store.kept_answer("", "a", NOW) is None


async def test_the_first_answer_stays(store: Store) -> None:
    first, second = row(), row(request_hash="other", status=500, body="[]", expires_at=LATER + 9)
    assert await store.keep_answer(first, NOW) == first
    assert await store.keep_answer(second, NOW) == first
    assert await store.kept_answer(first.scope, first.key, LATER - 1) == first


async def test_an_answer_that_has_expired_makes_room(store: Store) -> None:
    first, second = row(), row(status=500, expires_at=LATER * 2)
    await store.keep_answer(first, NOW)
    assert await store.kept_answer(first.scope, first.key, LATER) is None
    assert await store.keep_answer(second, LATER) == second
    assert await store.kept_answer(first.scope, first.key, NOW) == second


async def test_expired_answers_do_not_pile_up(store: Store) -> None:
    for number in range(20):
        await store.keep_answer(row(f"k{number}"), NOW)
    await store.keep_answer(row("last", expires_at=LATER * 2), LATER)
    for number in range(20):
        assert await store.kept_answer(row().scope, f"k{number}", NOW) is None
    assert await store.kept_answer(row().scope, "last", LATER) is not None


async def test_one_that_is_over_before_it_is_kept_is_told_and_not_kept(store: Store) -> None:
    over = row(expires_at=NOW)
    assert await store.keep_answer(over, NOW) == over
    assert await store.kept_answer(over.scope, over.key, NOW) is None


async def test_of_many_at_once_all_get_the_same(store: Store, twin: Store) -> None:
    for turn in range(5):
        rows = [row(f"k{turn}", status=200 + number) for number in range(8)]
        got = await asyncio.gather(
            *((store, twin)[place % 2].keep_answer(each, NOW) for place, each in enumerate(rows))
        )
        assert got[0] in rows
        assert got == [got[0]] * len(rows)
        assert await store.kept_answer(got[0].scope, got[0].key, NOW) == got[0]


async def test_an_expired_one_is_written_over_once(store: Store, twin: Store) -> None:
    await store.keep_answer(row(), NOW)
    rows = [replace(row(), status=300 + number, expires_at=LATER * 2) for number in range(8)]
    got = await asyncio.gather(
        *((store, twin)[place % 2].keep_answer(each, LATER) for place, each in enumerate(rows))
    )
    assert got == [got[0]] * len(rows)
    assert got[0] in rows
