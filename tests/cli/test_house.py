"""`openrun verify`, `doctor`, `gc` and `backup`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.test_past import made
from tests.store.given import beside


def tamper(folder: Path, statement: str) -> None:
    with beside(folder / "openrun.db") as connection:
        connection.execute(statement)


def test_whole_journals_verify(invoke: Invoke) -> None:
    made("plain", "retries")
    result = invoke("verify")
    assert (result.exit_code, result.stdout) == (0, "✓ 2 runs, 20 events: as written\n")


def test_a_named_run_is_checked_and_its_last_hash_is_told(invoke: Invoke) -> None:
    run_id, _other = made("plain", "plain")
    document = json.loads(invoke("verify", run_id, "--json").stdout)
    (head,) = document["heads"]
    assert (document["runs"], head["run_id"], len(head["hash"])) == (1, run_id, 64)
    assert head["hash"] in invoke("verify", run_id).stdout


def test_what_is_broken_is_named_and_exits_with_5(invoke: Invoke, folder: Path) -> None:
    whole, run_id = made("plain", "naps")
    tamper(folder, f"UPDATE events SET body = body || ' ' WHERE seq = 4 AND run_id = '{run_id}'")  # noqa: S608
    result = invoke("verify")
    assert result.exit_code == 5
    assert f"✗ {run_id}  event 4 is not what was written" in result.stderr
    assert "1 run, 10 events: as written" in result.stdout
    (fault,) = json.loads(invoke("verify", "--json").stdout)["faults"]
    assert (fault["run_id"], fault["seq"]) == (run_id, 4)
    assert invoke("verify", whole).exit_code == 0


def test_a_run_that_is_not_there_exits_with_3(invoke: Invoke) -> None:
    made("plain")
    assert invoke("verify", "nobody").exit_code == 3


@pytest.mark.parametrize("command", [("verify",), ("doctor",), ("gc", "--ttl", "1d", "--no-archive")])
def test_a_store_that_is_not_there_exits_with_3_and_none_is_made(
    invoke: Invoke, folder: Path, command: tuple[str, ...]
) -> None:
    assert invoke(*command).exit_code == 3
    assert not (folder / "openrun.db").exists()


def test_the_doctor_tells_what_is_in_a_sound_store(invoke: Invoke) -> None:
    made("plain", "retries", "waits")
    result = invoke("doctor", "--rebuild")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "sqlite, schema 4" in result.stdout
    assert "1 waiting" in result.stdout
    assert "✓ nothing is wrong" in result.stdout
    assert "3 runs folded again: 0 differ, 0 mended" in result.stdout
    document = json.loads(invoke("doctor", "--json").stdout)
    assert document["counts"] == {"failed": 1, "succeeded": 1, "waiting": 1}
    assert len(document["dead_letters"]) == 1
    assert "rebuilt" not in document


def test_the_doctor_names_orphans_and_exits_with_1(invoke: Invoke, folder: Path) -> None:
    (run_id,) = made("waits")
    tamper(folder, "UPDATE runs SET status = 'running', due_at = NULL")
    result = invoke("doctor")
    assert result.exit_code == 1
    assert f"✗ run {run_id} is an orphan" in result.stdout


def test_the_doctor_tells_what_differs_and_mends_it_when_asked(invoke: Invoke, folder: Path) -> None:
    (run_id,) = made("plain")
    tamper(folder, "DELETE FROM activations WHERE step_id = 'b'")
    told = invoke("doctor", "--rebuild")
    assert told.exit_code == 1
    assert f"✗ {run_id} b in /  stored null, derived" in told.stdout
    mended = invoke("doctor", "--rebuild", "--fix", "--json")
    assert (mended.exit_code, json.loads(mended.stdout)["rebuilt"]["fixed"]) == (0, [run_id])
    assert invoke("doctor", "--rebuild").exit_code == 0


def test_a_fix_without_a_rebuild_is_refused(invoke: Invoke) -> None:
    made("plain")
    assert invoke("doctor", "--fix").exit_code == 2


def test_old_runs_are_archived_and_removed(invoke: Invoke, folder: Path) -> None:
    run_id, stays = made("plain", "waits")
    preview = invoke("gc", "--ttl", "0", "--dry-run")
    assert preview.stdout == f"{run_id}\n1 run would be removed\n"
    document = json.loads(invoke("gc", "--ttl", "0", "--archive", "old", "--json").stdout)
    lines = [json.loads(line) for line in Path(document["archive"]).read_text().splitlines()]
    assert (document["runs"], document["events"], len(lines)) == (1, 10, 11)
    assert lines[0]["run"]["run_id"] == run_id
    assert lines[1]["event"]["type"] == "FlowStarted"
    assert invoke("state", run_id).exit_code == 3
    assert invoke("state", stays).exit_code == 0
    assert [each.parent for each in (folder / "old").iterdir()] == [folder / "old"]


def test_what_is_not_old_enough_stays_and_no_archive_is_made(invoke: Invoke, folder: Path) -> None:
    made("plain")
    result = invoke("gc", "--ttl", "90d", "--archive", "old")
    assert (result.exit_code, result.stdout) == (0, "0 runs with 0 events removed\n")
    assert not (folder / "old").exists()


@pytest.mark.parametrize(
    "arguments", [(), ("--archive", "old", "--no-archive"), ("--archive", "old", "--dry-run")]
)
def test_where_they_are_kept_has_to_be_said(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    made("plain")
    result = invoke("gc", "--ttl", "0", *arguments)
    assert result.exit_code == 2
    assert "give either --archive DIR or --no-archive" in result.stderr


def test_a_time_that_is_none_is_refused(invoke: Invoke) -> None:
    made("plain")
    assert invoke("gc", "--ttl", "soon", "--no-archive").exit_code == 2


def test_a_damaged_run_is_kept_and_named_and_exits_with_5(invoke: Invoke, folder: Path) -> None:
    damaged, _whole = made("plain", "plain")
    tamper(folder, f"DELETE FROM events WHERE seq = 2 AND run_id = '{damaged}'")  # noqa: S608
    result = invoke("gc", "--ttl", "0", "--archive", "old")
    assert result.exit_code == 5
    assert f"✗ {damaged}  event 2 is missing" in result.stderr
    assert "1 run with 10 events removed, archived in old/" in result.stdout


def test_a_copy_is_written_checked_and_can_be_asked(invoke: Invoke) -> None:
    (run_id,) = made("plain")
    result = invoke("backup", "copy.db")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "✓ 1 run, 10 events: as written" in result.stdout
    assert invoke("state", run_id, "--store", "copy.db").stdout == invoke("state", run_id).stdout


def test_a_copy_never_goes_over_a_file(invoke: Invoke, folder: Path) -> None:
    made("plain")
    (folder / "copy.db").write_text("precious")
    result = invoke("backup", "copy.db")
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (folder / "copy.db").read_text() == "precious"


def test_damage_in_a_copy_is_told_with_5(invoke: Invoke, folder: Path) -> None:
    (run_id,) = made("plain")
    tamper(folder, "UPDATE events SET fence = 7 WHERE seq = 10")
    document = invoke("backup", "copy.db", "--json")
    assert document.exit_code == 5
    assert json.loads(document.stdout)["faults"][0]["run_id"] == run_id
