"""`openrun emit` and `openrun bus`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from openrun.app import App
from tests.cli.conftest import Invoke

STORE = "openrun.db"


@pytest.fixture(autouse=True)
def store(folder: Path) -> None:
    """An empty store in the current directory."""

    async def make() -> None:
        async with App(folder / STORE, work=False):
            """It is there."""

    asyncio.run(make())


def told(invoke: Invoke, *arguments: str) -> Any:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_an_event_is_published_and_its_id_is_told(invoke: Invoke) -> None:
    given = ("--data", '{"id": 7}', "--source", "/shop", "--subject", "orders/7", "--correlation", "7")
    result = invoke("emit", "order.paid", *given)
    assert result.exit_code == 0
    (row,) = told(invoke, "bus")
    assert row["event"] == {
        "specversion": "1.0",
        "id": result.stdout.strip(),
        "source": "/shop",
        "type": "order.paid",
        "subject": "orders/7",
        "data": {"id": 7},
        "correlationid": "7",
    }
    assert told(invoke, "bus", "show", str(row["number"])) == row


def test_an_event_that_is_emitted_again_is_no_second_one(invoke: Invoke) -> None:
    first = told(invoke, "emit", "order.paid", "--id", "e-1")
    again = told(invoke, "emit", "order.paid", "--id", "e-1")
    assert first == {"id": "e-1", "source": "/cli", "known": False}
    assert again["known"]
    assert "was there before" in invoke("emit", "order.paid", "--id", "e-1").stdout
    assert len(told(invoke, "bus")) == 1


def test_data_is_read_from_a_file_and_from_stdin(invoke: Invoke, folder: Path) -> None:
    (folder / "order.json").write_text("[1]")
    assert invoke("emit", "a", "--data", "@order.json").exit_code == 0
    assert invoke("emit", "b", "--data", "-", stdin='"text"').exit_code == 0
    assert [row["event"]["data"] for row in told(invoke, "bus")] == ["text", [1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev.openrun.run.failed.v1",), "as only the engine's own do"),
        (("order.paid", "--source", "not a uri"), "'source'"),
        (("order.paid", "--data", "{"), "--data"),
    ],
)
def test_what_is_no_event_is_refused(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    result = invoke("emit", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert told(invoke, "bus") == []


def test_a_store_that_is_not_there_is_not_made(invoke: Invoke, folder: Path) -> None:
    assert invoke("emit", "order.paid", "--store", "other.db").exit_code == 3
    assert not (folder / "other.db").exists()


def test_events_are_listed_for_people(invoke: Invoke) -> None:
    assert "there are no events" in invoke("bus").stdout
    invoke("emit", "order.paid")
    invoke("emit", "order.sent")
    listed = invoke("bus").stdout
    assert "order.paid" in listed
    assert "waiting" in listed
    assert "order.sent" not in invoke("bus", "--type", "order.paid").stdout


def test_an_event_that_was_given_up_is_handed_out_again(invoke: Invoke, folder: Path) -> None:
    invoke("emit", "order.paid")
    (row,) = told(invoke, "bus")
    number = str(row["number"])
    assert invoke("bus", "replay", number).exit_code == 4
    asyncio.run(_give_up(folder / STORE, row["number"]))
    assert "nobody has the code" in invoke("bus", "--dead").stdout
    assert "will be handed out again" in invoke("bus", "replay", number).stdout
    assert told(invoke, "bus", "--dead") == []


async def _give_up(path: Path, number: int) -> None:
    async with App(path, work=False) as app:
        row = await app.events.get(number)
        dead = replace(row, due_at=None, dead_at=row.received_at, error="nobody has the code")
        await app.store.bus_events_failed([dead])


def test_an_event_that_is_not_there_is_not_found(invoke: Invoke) -> None:
    for command in ("show", "replay"):
        result = invoke("bus", command, "77")
        assert result.exit_code == 3
        assert "no event 77" in result.stderr
