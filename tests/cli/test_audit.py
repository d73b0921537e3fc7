"""`openrun audit`: what was done is listed, and a log that is not as it was is found."""

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from openrun.app import App
from openrun.store.books import AuditRow
from tests.cli.conftest import Invoke

STORE = "openrun.db"


def row(action: str = "runs.cancel", **more: Any) -> AuditRow:
    given: dict[str, Any] = {
        "at": 1, "namespace": "default", "actor": "ci", "actor_id": "k1", "role": "operator",
        "resource": "run/r1", "status": 202, "request_id": "q1", "remote": "192.0.2.7", **more,
    }  # fmt: skip
    return AuditRow(action=action, **given)


def keep(*rows: AuditRow) -> None:
    """Make a store whose audit log has these rows."""

    async def add() -> None:
        async with App(STORE, work=False) as app:
            await app.store.add_audit(rows)

    asyncio.run(add())


def tamper(*statements: str) -> None:
    """Change the log as one who has the file, and takes away what stands in the way."""
    with closing(sqlite3.connect(STORE, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_changed")
        connection.execute("DROP TRIGGER audit_is_not_removed")
        for each in statements:
            connection.execute(each)


def listed(invoke: Invoke, *arguments: str) -> list[dict[str, Any]]:
    result = invoke("audit", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


# -- listing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("audit",), ("audit", "ls")])
def test_what_was_done_is_listed_with_who_and_what_came_of_it(
    invoke: Invoke, command: tuple[str, ...]
) -> None:
    keep(row("flows.upload", actor="ada", resource="flow/hello"), row(status=409))
    result = invoke(*command)
    assert result.exit_code == 0
    head, newest, oldest = result.stdout.splitlines()
    assert head.split()[:3] == ["number", "at", "namespace"]
    assert newest.split()[0] == "2"
    for word in ("default", "ci", "operator", "runs.cancel", "409", "192.0.2.7", "run/r1"):
        assert word in newest.split()
    assert {"1", "ada", "flows.upload", "flow/hello"} <= set(oldest.split())


def test_rows_as_json_have_all_that_is_known(invoke: Invoke) -> None:
    keep(row(details='{"more":[1]}'))
    (found,) = listed(invoke)
    assert len(found.pop("hash")) == 64
    assert found == {
        "number": 1, "at": "1970-01-01T00:00:00.001000+00:00", "namespace": "default", "actor": "ci",
        "actor_id": "k1", "role": "operator", "action": "runs.cancel", "resource": "run/r1", "status": 202,
        "request_id": "q1", "remote": "192.0.2.7", "details": {"more": [1]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--actor", "ada"), [3]),
        (("--action", "flows.upload"), [2]),
        (("--namespace", "shop"), [4]),
        (("--namespace", "*"), [4, 3, 2, 1]),
        (("--namespace", "default", "--actor", "ci"), [2, 1]),
        (("--limit", "2"), [4, 3]),
        (("--actor", "nobody"), []),
    ],
)
def test_rows_are_chosen_by_actor_action_namespace_and_number(
    invoke: Invoke, options: tuple[str, ...], numbers: list[int]
) -> None:
    keep(row(), row("flows.upload"), row(actor="ada"), row(namespace="shop"))
    assert [each["number"] for each in listed(invoke, "ls", *options)] == numbers


def test_that_there_are_more_rows_is_said_and_that_there_are_none(invoke: Invoke) -> None:
    keep(row(), row(), row())
    assert "there are more" in invoke("audit", "--limit", "2").stdout
    assert "there are more" not in invoke("audit", "--limit", "3").stdout
    assert "no such rows" in invoke("audit", "--actor", "nobody").stdout


def test_what_is_stored_controls_no_terminal(invoke: Invoke) -> None:
    evil = "a\x1b[31m\x9b\u202eb\n"
    keep(row(evil, actor=evil, namespace=evil, role=evil, resource=evil, remote=evil))
    for result in (invoke("audit"), invoke("audit", "--json")):
        assert result.exit_code == 0
        assert not {"\x1b", "\x9b", "\u202e"} & set(result.stdout)
    assert len(invoke("audit").stdout.splitlines()) == 2
    assert listed(invoke)[0]["actor"] == evil


@pytest.mark.parametrize("option", ["--actor", "--action", "--namespace"])
@pytest.mark.parametrize("text", ["", "a\nb", "\udcff"])
def test_a_question_that_cannot_be_is_refused(invoke: Invoke, option: str, text: str) -> None:
    keep(row())
    result = invoke("audit", option, text)
    assert result.exit_code == 2
    assert f"{option} is printable text" in result.stderr


@pytest.mark.parametrize("command", [("audit",), ("audit", "ls"), ("audit", "verify")])
def test_a_store_that_is_not_there_is_not_made(invoke: Invoke, command: tuple[str, ...]) -> None:
    assert invoke(*command).exit_code == 3
    assert invoke(*command).exit_code == 3


# -- verifying ------------------------------------------------------------------------------------


def test_a_log_that_is_as_written_is_told_with_its_last_hash(invoke: Invoke) -> None:
    keep(*[row()] * 1_001)
    newest = listed(invoke, "--limit", "1")[0]["hash"]
    result = invoke("audit", "verify")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"row 1001  {newest}", "✓ 1,001 rows: as written"]
    assert json.loads(invoke("audit", "verify", "--json").stdout) == {
        "valid": True, "rows": 1_001, "last": 1_001, "head": newest, "broken_at": None, "reason": None,
    }  # fmt: skip


def test_an_empty_log_is_as_written(invoke: Invoke) -> None:
    keep()
    result = invoke("audit", "verify")
    assert (result.exit_code, result.stdout) == (0, "✓ 0 rows: as written\n")


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE number = 1200", 1_200),
        ("DELETE FROM audit WHERE number = 1200", 1_200),
        ("DELETE FROM audit WHERE number <= 1200", 1),
        # The rows behind a page's end follow what was changed, and are right themselves.
        ("UPDATE audit SET hash = 'no' WHERE number = 1500", 1_500),
    ],
    ids=["changed", "taken out", "cut off", "another hash"],
)
def test_a_row_that_is_not_as_it_was_is_named_and_the_exit_code_is_5(
    invoke: Invoke, sql: str, number: int
) -> None:
    keep(*[row()] * 2_500)
    tamper(sql)
    result = invoke("audit", "verify")
    assert result.exit_code == 5
    assert f"✗ row {number} is " in result.stderr
    assert "rows looked at" in result.stdout
    shown = invoke("audit", "verify", "--json")
    assert shown.exit_code == 5
    assert json.loads(shown.stdout)["broken_at"] == number


def test_of_more_rows_that_are_not_as_they_were_the_first_is_named(invoke: Invoke) -> None:
    keep(*[row()] * 2_500)
    tamper("UPDATE audit SET status = 200 WHERE number IN (7, 8, 1200, 2400)")
    found = json.loads(invoke("audit", "verify", "--json").stdout)
    assert (found["rows"], found["broken_at"], found["reason"]) == (2_500, 7, "row 7 is not what was written")
