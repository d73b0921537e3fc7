"""A power cut on the whole engine: every run that `start` acknowledged is there, whole, and so is every end it told."""

import asyncio
import sqlite3
from pathlib import Path
from random import Random

import pytest

from openrun.core.types import FINAL
from openrun.store.base import StoreError
from openrun.store.chain import broken
from openrun.store.rows import RunFilter
from openrun.store.sqlite import SqliteStore

from .disk import Recording
from .files import POLICIES, Policy
from .given import record
from .loss import Damaged, Loss, losses

ENGINE = str(Path(__file__).with_name("engine.py"))
RUNS = 120
CUTS = 60
DRAWS = 3


def look(directory: Path) -> set[str]:
    """The runs that are there and whole, and how they ended."""
    if not (directory / "openrun.db").exists():
        return set()
    try:
        return asyncio.run(_look(directory / "openrun.db"))
    except (StoreError, sqlite3.DatabaseError) as error:
        raise Damaged(str(error)) from error


async def _look(path: Path) -> set[str]:
    store = SqliteStore(path, synchronous="OFF")
    try:
        await store.open()
        found = set()
        for row in await store.runs(RunFilter(limit=RUNS * 2)):
            damage = broken(await store.events(row.run_id), last=row.seq, head=row.hash)
            if damage is not None:
                raise Damaged(f"run {row.run_id}: {damage.reason}")
            found.add(row.run_id)
            if row.status in FINAL:
                found.add(f"{row.run_id} {row.status.value}")
    finally:
        await store.close()
    return found


def recorded(recorder: Path, room: Path, synchronous: str) -> Recording:
    recording = record(recorder, room, ENGINE, synchronous, str(RUNS)).recording
    assert len(recording.acked(recording.cuts)) == 2 * RUNS
    return recording


def lost(recording: Recording, policy: Policy, room: Path) -> list[Loss]:
    """What is lost at some cuts that are spread over all, among them those right after an acknowledgement."""
    rng = Random(5)  # noqa: S311
    after_acks = [place for place, _ in recording.marks][:: max(1, len(recording.marks) // (CUTS // 2))]
    anywhere = rng.sample(range(recording.cuts + 1), CUTS // 2)
    draws = DRAWS if policy == "random" else 1
    cuts = [cut for cut in sorted({*after_acks, *anywhere, recording.cuts}) for _ in range(draws)]
    return list(losses(recording, cuts, policy, rng, look=look, room=room))


@pytest.fixture(scope="module")
def full(recorder: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(recorder, tmp_path_factory.mktemp("engine"), "FULL")


@pytest.mark.parametrize("policy", POLICIES)
def test_no_acknowledged_run_and_no_end_is_lost(full: Recording, tmp_path: Path, policy: Policy) -> None:
    assert lost(full, policy, tmp_path) == []


def test_acknowledged_runs_are_lost_with_synchronous_off(recorder: Path, tmp_path: Path) -> None:
    recording = recorded(recorder, tmp_path, "OFF")
    assert any(each.missing for each in lost(recording, "none", tmp_path))
    assert any(each.missing or each.damage for each in lost(recording, "random", tmp_path))
