"""What came from outside is kept with the run that it started: both or neither, for as long as the run lasts."""

from typing import Any

import pytest
from msgspec.structs import replace

from openrun.store.base import Store, StoreError
from openrun.store.rows import DeliveryFilter, DeliveryRow, Duplicate, Slice
from tests.store.given import NOW, Told, accepted, commit, enlisted, key, refused


def delivery(run_id: str, **more: Any) -> DeliveryRow:
    given: dict[str, Any] = {
        "namespace": "default", "flow_id": "orders", "trigger": "hook", "received_at": NOW, "method": "POST",
        "path": "/orders", "digest": "d" * 64, "size": 5, **more,
    }  # fmt: skip
    return DeliveryRow(run_id=run_id, **given)


def starts(run_id: str, *, namespace: str = "default", flow_id: str = "orders", **more: Any) -> Slice:
    """The birth of a run by a delivery."""
    its = delivery(run_id, namespace=namespace, flow_id=flow_id)
    return Told(run_id, worker=None, fence=0).begins(
        namespace=namespace, flow_id=flow_id, **{"delivery": its, **more}
    )


async def ids(store: Store, **wanted: Any) -> list[str]:
    return [each.run_id for each in await store.deliveries(DeliveryFilter(**wanted))]


async def test_a_delivery_is_kept_to_the_letter(store: Store) -> None:
    whole = delivery(
        "r1",
        delivery_id="ä😀'\"",
        path="/a/%2F?b=c&d='",
        remote="::1",
        replay_of="r0",
        size=2**40,
        method="PUT",
    )
    await accepted(
        store, starts("r1", delivery=whole), starts("r2"), Told("r3", worker=None, fence=0).begins()
    )
    assert await store.delivery("r1") == whole
    assert await store.delivery("r2") == delivery("r2")
    assert await store.delivery("r3") is None
    assert await store.deliveries(DeliveryFilter()) == [delivery("r2"), whole]


@pytest.mark.parametrize("odd", ["a\0b", "a\ud800b"])
async def test_a_delivery_may_hold_any_text(store: Store, odd: str) -> None:
    whole = delivery("r1", delivery_id=odd, path=odd, remote=odd)
    await accepted(store, starts("r1", delivery=whole), starts("r2"))
    kept = await store.delivery("r1")
    assert kept is not None
    for text in (kept.delivery_id, kept.path, kept.remote):
        assert text is not None
        assert (text[0], text[-1]) == ("a", "b")


async def test_a_start_that_happened_before_keeps_no_delivery(store: Store) -> None:
    await accepted(store, starts("r1", dedupe=key("once")))
    verdicts = await store.commit([starts("r2", dedupe=key("once")), starts("r3", dedupe=key("twice"))])
    assert verdicts[0] == Duplicate(run_id="r1", same_payload=True)
    assert await commit(store, starts("r4", dedupe=key("twice", "other"))) == Duplicate(
        run_id="r3", same_payload=False
    )
    assert await ids(store) == ["r3", "r1"]


async def test_two_starts_at_once_under_one_key_keep_one_delivery(store: Store) -> None:
    await store.commit([starts("r1", dedupe=key("once")), starts("r2", dedupe=key("once"))])
    assert await ids(store) == ["r1"]


async def test_a_start_that_is_refused_keeps_no_delivery(store: Store) -> None:
    born = Told("r1", worker="nobody").begins(delivery=delivery("r1"))
    await refused(store, born)
    assert await store.delivery("r1") is None


async def test_a_start_that_is_repeated_keeps_its_delivery_once(store: Store) -> None:
    born = starts("r1")
    for _ in range(3):
        await accepted(store, born)
    assert await ids(store) == ["r1"]


async def test_a_delivery_may_start_a_child(store: Store) -> None:
    await enlisted(store, "w1")
    child = starts("c1")
    await accepted(store, Told("r1").begins(children=(child,)))
    await accepted(store, Told("r2").begins(children=(child,)))
    assert await ids(store) == ["c1"]


@pytest.mark.parametrize("odd", [{"run_id": "r2"}, {"namespace": "red"}])
async def test_a_delivery_of_something_else_is_told_before_anything_is_written(
    store: Store, odd: dict[str, str]
) -> None:
    wrong = replace(delivery("r1"), **odd)
    with pytest.raises(StoreError, match="r1"):
        await store.commit([starts("r0"), starts("r1", delivery=wrong)])
    assert await store.find("r") == []
    assert await ids(store) == []


async def test_deliveries_are_listed_newest_first(store: Store) -> None:
    spaces, flows = ("default", "blue", "red"), ("orders", "bills")
    of = {f"r{number:02}": (spaces[number % 3], flows[number % 2]) for number in range(30)}
    births = [starts(run_id, namespace=its[0], flow_id=its[1]) for run_id, its in of.items()]
    await accepted(store, *births)
    for namespace in (None, *spaces, "nowhere"):
        for flow_id in (None, *flows, "nothing"):
            expected = [
                run_id
                for run_id, its in reversed(of.items())
                if namespace in (None, its[0]) and flow_id in (None, its[1])
            ]
            wanted: dict[str, Any] = {"namespace": namespace, "flow_id": flow_id}
            assert await ids(store, **wanted) == expected, wanted
            found: list[str] = []
            while page := await ids(store, **wanted, before=found[-1] if found else None, limit=4):
                found += page
            assert found == expected, wanted


async def test_a_delivery_goes_with_its_run(store: Store) -> None:
    await enlisted(store, "w1")
    for run_id in ("r1", "r2"):
        told = Told(run_id)
        await accepted(store, told.begins(delivery=delivery(run_id)), told.ends())
    await store.remove(["r1"])
    assert await store.delivery("r1") is None
    assert await ids(store) == ["r2"]
