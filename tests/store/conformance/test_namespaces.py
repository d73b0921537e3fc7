"""Namespaces keep runs and flows apart: lists, counts and names of one say nothing of another."""

import pytest
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import EffectFilter, HeadRow, Release, RunFilter, VersionRow, WaitFilter
from tests.store.given import NOW, Told, accepted, claimed, enlisted, takes

SPACES = ("default", "blue", "red")
STATUSES = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.FAILED)
FLOWS = ("orders", "bills")


async def many(store: Store, count: int = 42) -> dict[str, str]:
    """Runs of several namespaces, statuses and flows, some with a parent or on hold; the namespace of each."""
    await enlisted(store, "w1")
    spaces = {f"r{number:03}": SPACES[number % 3] for number in range(count)}
    await accepted(
        store,
        *(
            Told(run_id).begins(
                namespace=spaces[run_id],
                flow_id=FLOWS[number % 2],
                status=STATUSES[number % 9 // 3],
                parent="r000" if number % 5 == 4 else None,
                release=Release(due_at=None, hold="paused") if number % 7 == 0 else None,
            )
            for number, run_id in enumerate(spaces)
        ),
    )
    return spaces


async def ids(store: Store, **wanted: object) -> list[str]:
    filled: dict[str, object] = {"limit": 1_000, **wanted}
    return [each.run_id for each in await store.runs(RunFilter(**filled))]  # type: ignore[arg-type]


# -- runs -----------------------------------------------------------------------------------------


async def test_a_run_stays_in_the_namespace_in_which_it_was_born(store: Store) -> None:
    await enlisted(store, "w1")
    parent = Told("r1")
    child = Told("c1", worker=None, fence=0).begins(namespace="blue", parent="r1")
    plain = Told("c2", worker=None, fence=0).begins(parent="r1")
    await accepted(store, parent.begins(namespace="red", children=(child, plain)), parent.goes_on())
    found = {each.run_id: each.namespace for each in await store.runs(RunFilter())}
    assert found == {"r1": "red", "c1": "blue", "c2": "default"}
    row = await store.run("r1")
    assert row is not None
    assert row.namespace == "red"
    assert [each.namespace for each in await store.held_by("w1")] == ["red"]


async def test_a_claim_tells_the_namespace(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1", worker=None, fence=0).begins(namespace="red"))
    assert [each.namespace for each in await claimed(store, "w1")] == ["red"]


async def test_runs_of_all_namespaces_are_claimed_alike(store: Store) -> None:
    await enlisted(store, "w1")
    births = [
        Told(f"r{place}", worker=None, fence=0).begins(namespace=its) for place, its in enumerate(SPACES)
    ]
    await accepted(store, *births)
    assert {each.run_id: each.namespace for each in await claimed(store, "w1")} == {
        f"r{place}": its for place, its in enumerate(SPACES)
    }


@pytest.mark.parametrize("namespace", [None, *SPACES, "nowhere"])
async def test_lists_are_of_one_namespace_or_of_all(store: Store, namespace: str | None) -> None:
    spaces = await many(store)
    rows = {each.run_id: each for each in await store.runs(RunFilter(limit=1_000))}
    assert {run_id: row.namespace for run_id, row in rows.items()} == spaces
    for statuses in ((), STATUSES[:1], STATUSES[1:]):
        for flow_id in (None, "bills", "nothing"):
            for parent in (None, "r000"):
                for held in (None, True, False):
                    expected = [
                        run_id
                        for run_id in reversed(spaces)
                        if namespace in (None, spaces[run_id])
                        and (not statuses or rows[run_id].status in statuses)
                        and flow_id in (None, rows[run_id].flow_id)
                        and parent in (None, rows[run_id].parent_run_id)
                        and held in (None, rows[run_id].hold is not None)
                    ]
                    wanted = {"status": statuses, "flow_id": flow_id, "parent_run_id": parent, "held": held}
                    found = await ids(store, namespace=namespace, **wanted)
                    assert found == expected, wanted
                    page = {"before": "r030", "limit": 2}
                    left = [each for each in expected if each < "r030"]
                    assert await ids(store, namespace=namespace, **wanted, **page) == left[:2], wanted


async def test_runs_are_counted_in_one_namespace_or_in_all(store: Store) -> None:
    await many(store)
    counted = [await store.counts(each) for each in SPACES]
    assert counted == [{"running": 5, "waiting": 5, "failed": 4}] * 3
    assert await store.counts() == {"running": 15, "waiting": 15, "failed": 12}
    assert await store.counts("nowhere") == {}
    assert all(isinstance(each, RunStatus) for each in counted[0])


async def test_runs_are_found_by_how_they_begin_in_one_namespace(store: Store) -> None:
    await many(store, 12)
    assert await store.find("r0", 3, namespace="blue") == ["r001", "r004", "r007"]
    assert await store.find("r00", 9, namespace="red") == ["r002", "r005", "r008"]
    assert await store.find("r001", namespace="red") == []


# -- what belongs to runs -------------------------------------------------------------------------


async def test_waits_and_effects_are_of_their_runs_namespace(store: Store) -> None:
    await enlisted(store, "w1")
    for place, its in enumerate((*SPACES, *SPACES)):
        told = Told(f"r{place}")
        waits = (
            told.asks(f"w{place}", name="n", correlation="c", created_at=NOW + place),
            told.asks(f"x{place}", kind="signal", created_at=NOW + place, closed_at=NOW, outcome="expired"),
        )
        effects = (
            told.calls(f"k{place}", started_at=NOW + place),
            told.calls(f"l{place}", "done", ended_at=place),
        )
        await accepted(store, told.begins(namespace=its, waits=waits, effects=effects))
    for wanted in (
        WaitFilter(),
        WaitFilter(kind=("approval", "signal")),
        WaitFilter(name="n"),
        WaitFilter(name="n", correlation="c"),
    ):
        of_blue = replace(wanted, namespace="blue")
        assert [each.wait_id for each in await store.waits(of_blue)] == ["w1", "w4"], wanted
        assert [each.wait_id for each in await store.waits(replace(of_blue, limit=1))] == ["w1"]
        assert [each.wait_id for each in await store.waits(replace(of_blue, after=(NOW + 1, "w1")))] == ["w4"]
        assert len(await store.waits(wanted)) == 6
    closed = WaitFilter(open=False, namespace="red")
    assert [each.wait_id for each in await store.waits(closed)] == ["x2", "x5"]
    for run_id, expected in (("r1", ["w1"]), ("r0", [])):
        of_run = WaitFilter(run_id=run_id, namespace="blue")
        assert [each.wait_id for each in await store.waits(of_run)] == expected
    assert [each.wait_id for each in await store.find_waits("", 9, namespace="red")] == [
        "w2",
        "w5",
        "x2",
        "x5",
    ]
    assert await store.find_waits("w1", namespace="red") == []
    for status, keys in (((), ["k4", "k1", "l4", "l1"]), (("started",), ["k4", "k1"])):
        wanted_effects = EffectFilter(namespace="blue", status=status)
        assert [each.key for each in await store.effects(wanted_effects)] == keys
        assert [each.key for each in await store.effects(replace(wanted_effects, limit=1))] == ["k4"]
    assert await store.effects(EffectFilter(namespace="blue", run_id="r0")) == []
    assert len(await store.effects(EffectFilter(namespace="blue", run_id="r1"))) == 2
    assert [each.key for each in await store.find_effects("k", 9, namespace="red")] == ["k2", "k5"]


async def test_compensations_are_of_their_runs_namespace(store: Store) -> None:
    await enlisted(store, "w1")
    for place, its in enumerate(SPACES):
        told = Told(f"r{place}")
        undone = told.undoes("pay", "failed", ended_at=NOW + place)
        await accepted(store, told.begins(namespace=its, compensations=(undone,)))
    assert [each.run_id for each in await store.compensations()] == ["r2", "r1", "r0"]
    assert [each.run_id for each in await store.compensations(namespace="blue")] == ["r1"]
    assert [each.run_id for each in await store.compensations("r1", namespace="blue")] == ["r1"]
    assert await store.compensations("r1", namespace="red") == []


async def test_dead_letters_and_tombstones_keep_the_namespace(store: Store) -> None:
    await enlisted(store, "w1")
    for place, its in enumerate((*SPACES, "blue")):
        told = Told(f"r{place}")
        await accepted(store, told.begins(namespace=its, status=RunStatus.FAILED, at=NOW + place))
    assert [each.run_id for each in await store.dead_letters()] == ["r3", "r2", "r1", "r0"]
    assert [each.run_id for each in await store.dead_letters(namespace="blue")] == ["r3", "r1"]
    assert [each.run_id for each in await store.dead_letters(1, namespace="blue")] == ["r3"]
    assert await store.dead_letters(namespace="nowhere") == []
    letter = await store.dead_letter("r2")
    assert letter is not None
    assert letter.namespace == "red"
    removed = await store.remove(["r1", "r2"])
    assert {each.run_id: each.namespace for each in removed} == {"r1": "blue", "r2": "red"}
    stone = await store.tombstone("r2")
    assert stone is not None
    assert stone.namespace == "red"


# -- flows ----------------------------------------------------------------------------------------


async def test_the_same_flow_may_be_another_one_in_another_namespace(store: Store) -> None:
    def row(namespace: str, name: str) -> VersionRow:
        return VersionRow(
            flow_id="orders", version=name, namespace=namespace, name=namespace, document=f'"{namespace}"', created_at=NOW
        )  # fmt: skip

    for each in (row("red", "v1"), row("blue", "v1"), row("blue", "v2")):
        assert await store.keep_version(each, expected="v1" if each.version == "v2" else "")
    assert await store.version("orders") is None
    assert await store.version("orders", namespace="red") == row("red", "v1")
    assert await store.version("orders", "v1", namespace="blue") == row("blue", "v1")
    assert await store.version("orders", namespace="blue") == row("blue", "v2")
    assert [each.version for each in await store.versions("orders", namespace="blue")] == ["v2", "v1"]
    assert await store.versions("orders") == []
    assert await store.enable("orders", enabled=False, namespace="blue")
    assert not await store.enable("orders", enabled=False)
    found = [(each.namespace, each.version, each.enabled) for each in await store.flows()]
    assert found == [("blue", "v2", False), ("red", "v1", True)]
    assert [each.namespace for each in await store.flows("red")] == ["red"]
    flow = await store.flow("orders", namespace="red")
    assert flow is not None
    assert (flow.namespace, flow.name, flow.enabled) == ("red", "red", True)
    assert await store.flow("orders") is None


# -- heads ----------------------------------------------------------------------------------------


async def test_heads_tell_how_far_runs_are(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(count=3, namespace="red"), Told("r2").begins())
    assert await store.heads(["r2", "r9", "r1", "r2"]) == [
        HeadRow("r2", 1, RunStatus.RUNNING, 0),
        HeadRow("r1", 3, RunStatus.RUNNING, 0),
    ]
    await accepted(store, told.says(progress=(told.reports("1"), told.reports("2"))))
    await accepted(store, told.ends())
    (head,) = await store.heads(["r1"])
    last = (await store.progress("r1"))[-1]
    assert head == HeadRow("r1", 4, RunStatus.SUCCEEDED, last.number)
    assert await store.heads([]) == []
    assert await store.heads(["r1", "r2"], namespace="red") == [head]
    assert await store.heads(["r1"], namespace="blue") == []


async def test_a_run_that_is_held_again_has_its_namespace_still(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(namespace="red"), told.waits(1))
    assert (await takes(store, "w1", "r1")).fence == 2
    assert await ids(store, namespace="red") == ["r1"]
