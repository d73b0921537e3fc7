"""`openrun notifications`: who is told of what runs do, and what became of that."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from openrun.app import App
from openrun.flow import Flow
from openrun.store.outbox import NotificationFilter
from openrun.store.projection import in_ms
from tests.cli.conftest import Invoke
from tests.cli.given import FLOWS

URL = "https://alerts.example/openrun"


def added(invoke: Invoke, *arguments: str, url: str = URL) -> dict[str, Any]:
    result = invoke("notifications", "add", url, "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def given_up(error: str = "the receiver answered 500") -> str:
    """A run that was started, and of which a subscriber could not be told; the id of that notification."""

    async def work() -> str:
        async with App("openrun.db", work=False) as app:
            await app.start(Flow.from_json(json.dumps(FLOWS["greet"])), input={"body": {"name": "Ada"}})
            now = in_ms(app.clock.now())
            (row,) = await app.store.take_notifications(now + 1_000, 10, 10, 1_000)
            dead = replace(row, due_at=None, dead_at=now, last_status=500, error=error)
            await app.store.settle_notifications([dead])
            return row.notification_id

    return asyncio.run(work())


def waiting() -> list[int | None]:
    """When notifications are due."""

    async def ask() -> list[int | None]:
        async with App("openrun.db", work=False) as app:
            return [row.due_at for row in await app.store.notifications(NotificationFilter())]

    return asyncio.run(ask())


def test_a_subscription_is_added_listed_disabled_enabled_and_removed(invoke: Invoke) -> None:
    arguments = ("--type", "run.failed", "--type", "run.needs_review", "--flow", "greet", "--secret", "sign")
    made = added(invoke, *arguments, "--description", "on call")
    assert made["types"] == ["run.failed", "run.needs_review"]
    assert (made["flow_id"], made["secret"], made["namespace"]) == ("greet", "sign", "default")
    (shown,) = json.loads(invoke("notifications", "--json").stdout)
    assert shown == made
    table = invoke("notifications").stdout
    assert "run.failed" in table
    assert "sign" in table
    prefix = made["subscription_id"][:12]
    assert "told nothing for now" in invoke("notifications", "disable", prefix, "--reason", "moving").stdout
    (off,) = json.loads(invoke("notifications", "--json").stdout)
    assert off["disabled_reason"] == "moving"
    assert "told again" in invoke("notifications", "enable", prefix).stdout
    assert json.loads(invoke("notifications", "remove", prefix, "--json").stdout)["url"] == URL
    assert "nobody is told anything" in invoke("notifications").stdout
    assert invoke("notifications", "enable", prefix).exit_code == 3


def test_a_subscription_is_for_a_namespace_and_may_be_for_the_event_bus(invoke: Invoke) -> None:
    made = added(invoke, "--type", "run.*", "--namespace", "acme", url="openrun:events")
    assert (made["namespace"], made["url"]) == ("acme", "openrun:events")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((URL, "--type", "run.faild"), "did you mean 'run.failed'"),
        (("ftp://example.com", "--type", "run.*"), "scheme"),
        (("http://127.0.0.1:9/", "--type", "run.*"), "not public"),
        ((URL, "--type", "run.*", "--allow", "nonsense"), "--allow"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(
    invoke: Invoke, arguments: tuple[str, ...], words: str
) -> None:
    result = invoke("notifications", "add", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr.replace("\n", " ")


def test_a_private_address_is_opened_by_listing_it(invoke: Invoke) -> None:
    made = added(invoke, "--type", "run.*", "--allow", "127.0.0.1:9", url="http://127.0.0.1:9/hook")
    assert made["url"] == "http://127.0.0.1:9/hook"


def test_what_was_given_up_is_listed_and_delivered_again(invoke: Invoke) -> None:
    made = added(invoke, "--type", "run.started")
    name = given_up()
    (row,) = json.loads(invoke("notifications", "deliveries", "--dead", "--json").stdout)
    assert (row["notification_id"], row["last_status"], row["type"]) == (name, 500, "run.started")
    assert row["data"]["flow_id"] == "greet"
    assert row["at"].endswith("+00:00")
    assert "given up: the" in invoke("notifications", "deliveries").stdout.replace("\n", " ")
    of_run = ("--run", row["run_id"][:20], "--subscription", made["subscription_id"][:12])
    assert len(json.loads(invoke("notifications", "deliveries", *of_run, "--json").stdout)) == 1
    assert "is delivered again" in invoke("notifications", "replay", name).stdout.replace("\n", " ")
    assert waiting() != [None]
    assert json.loads(invoke("notifications", "deliveries", "--dead", "--json").stdout) == []
    assert invoke("notifications", "replay", "nothing").exit_code == 3


def test_what_a_receiver_says_cannot_steer_the_terminal(invoke: Invoke) -> None:
    added(invoke, "--type", "run.started")
    given_up("\x1b[31mred\x1b[0m")
    assert "\x1b" not in invoke("notifications", "deliveries").stdout
