"""The audit log is one chain, whoever adds to it."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from openrun.store.audit import broken, link, linked
from openrun.store.base import Store
from openrun.store.books import AuditFilter, AuditRow
from openrun.store.chain import GENESIS
from tests.store.given import NOW

ALL = AuditFilter(limit=10_000)


def row(action: str = "runs.cancel", **more: Any) -> AuditRow:
    given: dict[str, Any] = {
        "at": NOW, "namespace": "default", "actor": "ada", "actor_id": "k1", "role": "admin", "resource": "run/r1",
        "status": 200, "request_id": "q1", **more,
    }  # fmt: skip
    return AuditRow(action=action, **given)


async def chain(store: Store) -> list[AuditRow]:
    """All rows, the oldest first; nothing is wrong with them."""
    rows = (await store.audit(ALL))[::-1]
    assert broken(rows) is None
    return rows


async def test_rows_are_numbered_and_linked_in_the_order_in_which_they_came(store: Store) -> None:
    assert await store.audit(ALL) == []
    await store.add_audit([row("a"), row("b")])
    await store.add_audit([])
    await store.add_audit([row("c")])
    rows = await chain(store)
    assert [(each.number, each.action) for each in rows] == [(1, "a"), (2, "b"), (3, "c")]
    assert rows == linked([row("a"), row("b"), row("c")], last=0, head=GENESIS)
    assert [each.hash for each in rows] == [
        link(before, each) for before, each in zip(["", rows[0].hash, rows[1].hash], rows, strict=True)
    ]


async def test_a_row_is_kept_to_the_letter(store: Store) -> None:
    odd = row(
        "ä😀", remote="::1", details='{"a":"\\u0000 \'"}', actor='"\\', resource="run/\u2028", status=-1
    )
    await store.add_audit([odd])
    (kept,) = await chain(store)
    assert replace(kept, number=0, hash="") == odd


@pytest.mark.parametrize("odd", ["\0", "\ud800", "\ufdd0"])
async def test_what_no_store_keeps_breaks_no_chain(store: Store, odd: str) -> None:
    await store.add_audit([row(resource=f"run/{odd}r1", request_id=odd)])
    await store.add_audit([row()])
    first, _ = await chain(store)
    assert (first.resource[:4], first.resource[5:]) == ("run/", "r1")


async def test_two_processes_never_fork_the_chain(store: Store, twin: Store) -> None:
    async def add(its: Store, name: str) -> None:
        for turn in range(15):
            await its.add_audit([row(f"{name}.{turn}.{part}") for part in range(1 + turn % 3)])

    await asyncio.gather(add(store, "a"), add(store, "b"), add(twin, "c"), add(twin, "d"))
    rows = await chain(store)
    assert [each.number for each in rows] == list(range(1, len(rows) + 1))
    assert sorted(each.action for each in rows) == sorted(
        f"{name}.{turn}.{part}" for name in "abcd" for turn in range(15) for part in range(1 + turn % 3)
    )
    assert len({each.hash for each in rows}) == len(rows)
    for name in "abcd":
        own = [each.action for each in rows if each.action.startswith(name)]
        assert own == [f"{name}.{turn}.{part}" for turn in range(15) for part in range(1 + turn % 3)]


async def test_the_log_is_told_newest_first(store: Store) -> None:
    spaces, actors, actions = ("default", "red"), ("ada", "bob", "cy"), ("runs.start", "runs.cancel")
    rows = [
        row(actions[n % 5 % 2], namespace=spaces[n % 2], actor=actors[n % 3], at=NOW - n) for n in range(30)
    ]
    await store.add_audit(rows)
    kept = await chain(store)
    for namespace in (None, *spaces, "nowhere"):
        for actor in (None, "bob"):
            for action in (None, "runs.start", "nothing"):
                expected = [
                    each
                    for each in reversed(kept)
                    if namespace in (None, each.namespace)
                    and actor in (None, each.actor)
                    and action in (None, each.action)
                ]
                wanted = AuditFilter(namespace=namespace, actor=actor, action=action)
                assert await store.audit(wanted) == expected, wanted
                found: list[AuditRow] = []
                while page := await store.audit(
                    replace(wanted, before=found[-1].number if found else None, limit=4)
                ):
                    found += page
                assert found == expected, wanted


async def test_a_change_to_any_column_is_noticed(store: Store) -> None:
    await store.add_audit([row("a"), row("b"), row("c")])
    rows = await chain(store)
    others: dict[str, Any] = {
        name: 7 if isinstance(getattr(rows[1], name), int) else "x" for name in AuditRow.__struct_fields__
    }
    for name, other in others.items():
        fault = broken([rows[0], replace(rows[1], **{name: other}), rows[2]])
        assert fault is not None, name
        assert fault.seq == 2, name
    assert broken(rows[1:]) is not None
    assert broken([rows[0], rows[2]]) is not None
    assert broken(rows[1:], last=1, head=rows[0].hash) is None
