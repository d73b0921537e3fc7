"""`openrun schedules`: when flows are started by the clock, and steering that."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from openrun.app import App
from openrun.core.types import RunStatus
from openrun.flow import Flow
from tests.cli.conftest import Invoke
from tests.cli.given import edge, reply
from tests.cli.serving import put, served

NIGHT = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}
OFTEN = {"interval": "12h"}
AROUND = ("--after", "2026-03-28", "--count", "3")
GAP = """\
Sat 2026-03-28 02:30:00 +01:00
Sun 2026-03-29 03:00:00 +02:00    moved: 02:30 does not exist on that day
Mon 2026-03-30 02:30:00 +02:00
"""


def scheduled(flow_id: str, **triggers: dict[str, Any]) -> dict[str, Any]:
    """A flow that each of these schedules starts."""
    steps = [{"id": name, "type": "trigger_schedule", "config": each} for name, each in triggers.items()]
    edges = [edge(name, "say") for name in triggers]
    return {"id": flow_id, "name": flow_id, "steps": [*steps, reply("say", "hello")], "edges": edges}


@pytest.fixture(autouse=True)
def store(folder: Path) -> Path:
    """A store with three schedules, none of which fires while a test lasts, and one more in the namespace `shop`."""

    async def make() -> None:
        async with App("openrun.db", work=False) as app:
            for flow in (scheduled("report", night=NIGHT), scheduled("sweep", often=OFTEN, yearly=yearly)):
                await app.add_flow(Flow.from_dict(flow))
            await app.space("shop").add_flow(Flow.from_dict(scheduled("report", night=NIGHT)))

    yearly = {"cron": "@yearly"}
    asyncio.run(make())
    return folder / "openrun.db"


def said(invoke: Invoke, *arguments: str) -> str:
    result = invoke("schedules", *arguments)
    assert result.exit_code == 0, result.stderr
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n"


def told(invoke: Invoke, *arguments: str) -> Any:
    return json.loads(said(invoke, *arguments, "--json"))


def refused(invoke: Invoke, code: int, *arguments: str) -> str:
    result = invoke("schedules", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


# -- looking --------------------------------------------------------------------------------------


def test_schedules_are_listed_with_their_times_their_zone_and_their_next_tick(invoke: Invoke) -> None:
    head, night, often, _yearly, shop = said(invoke).splitlines()
    assert head.split() == ["schedule", "times", "zone", "next", "in", "last"]
    assert "report/night" in night
    assert "30 2 * * *" in night
    assert "Europe/Berlin" in night
    assert " 02:30" in night or " 03:00" in night
    assert "none yet" in night
    assert "every 12h" in often
    assert shop.startswith("shop/report/night")
    assert len(said(invoke, "--flow", "sweep").splitlines()) == 3
    assert "there are more" in said(invoke, "--limit", "2")
    (first, *_rest) = told(invoke)
    assert (first["flow_id"], first["trigger"], first["config"]) == ("report", "night", NIGHT)
    assert (first["next_at"], first["last_tick"]) == (first["due_at"], None)


def test_a_store_without_schedules_says_so(invoke: Invoke, folder: Path) -> None:
    put("flows")
    other = str(folder / "other.db")
    assert invoke("start", "greet.json", "--store", other).exit_code == 0
    assert said(invoke, "--store", other) == "no flow of the store has a schedule\n"
    assert "there is no store" in refused(invoke, 3, "--store", "none.db")


def test_a_preview_is_in_the_schedules_own_zone_and_says_what_its_changes_do(invoke: Invoke) -> None:
    title, fires = said(invoke, "preview", "report/night", *AROUND).split("\n", 1)
    assert (title, fires) == ("report/night: 30 2 * * * in Europe/Berlin", GAP)
    again = told(invoke, "preview", "report", *AROUND)
    assert [each["at"] for each in again["fires"]] == [
        "2026-03-28T01:30:00+00:00",
        "2026-03-29T01:00:00+00:00",
        "2026-03-30T00:30:00+00:00",
    ]
    assert [each["local"] for each in again["fires"]][1] == "2026-03-29T03:00:00+02:00"
    assert len(told(invoke, "preview", "sweep/often")["fires"]) == 5
    around = told(invoke, "preview", "report/night", "--zone-change")["fires"]
    assert len({each["local"][-6:] for each in around}) == 2
    assert "do not change within a year" in said(invoke, "preview", "sweep/yearly", "--zone-change")


def test_a_preview_says_by_how_much_ticks_may_be_late(invoke: Invoke) -> None:
    async def keep() -> None:
        async with App("openrun.db", work=False) as app:
            await app.add_flow(Flow.from_dict(scheduled("spread", night={**NIGHT, "jitter": "90s"})))

    asyncio.run(keep())
    title = "spread/night: 30 2 * * * in Europe/Berlin, up to 1m30s later"
    assert said(invoke, "preview", "spread").splitlines()[0] == title


def test_an_expression_is_previewed_without_a_store(invoke: Invoke, store: Path) -> None:
    store.unlink()
    expression = ("--cron", "30 2 * * *", "--timezone", "Europe/Berlin")
    assert said(invoke, "preview", *expression, *AROUND) == f"30 2 * * * in Europe/Berlin\n{GAP}"
    assert "\nSat 2026-03-28 00:15:00 +00:00\n" in said(invoke, "preview", "--interval", "15m", *AROUND)
    assert not store.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give one of FLOW/TRIGGER, --cron and --interval"),
        (("report/night", "--cron", "@daily"), "give one of"),
        (("--cron", "0 0 30 2 *"), "--cron: cron '0 0 30 2 *' does not fire"),
        (("--cron", "@daily", "--timezone", "Europe/Berln"), "did you mean 'Europe/Berlin'?"),
        (("--interval", "soon"), "--interval: 'soon' is no duration"),
        (("report/night", "--timezone", "UTC"), "--timezone goes with --cron"),
        (("report/night", "--after", "soon"), "--after: 'soon' is no instant"),
        (("report/night", "--after", "2026-03-28", "--zone-change"), "the next change from now on"),
        (("a/b/c/d",), "is no FLOW/TRIGGER"),
        (("sweep",), "say which: sweep/often, sweep/yearly"),
    ],
)
def test_what_cannot_be_previewed_is_refused_with_the_way_out(
    invoke: Invoke, arguments: tuple[str, ...], words: str
) -> None:
    assert words in refused(invoke, 2, "preview", *arguments)


@pytest.mark.parametrize("command", ["preview", "ticks", "pause", "resume"])
def test_a_schedule_that_is_not_there_exits_with_3_and_a_near_name(invoke: Invoke, command: str) -> None:
    assert "did you mean 'report/night'?" in refused(invoke, 3, command, "report/nihgt")


# -- steering -------------------------------------------------------------------------------------


def test_a_paused_schedule_says_by_whom_until_it_is_resumed(invoke: Invoke) -> None:
    assert "paused report/night" in said(invoke, "pause", "report/night", "--by", "ada")
    (row,) = told(invoke, "--paused")
    assert (row["paused_by"], row["next_at"]) == ("ada", None)
    assert "paused by ada" in said(invoke, "--flow", "report")
    assert told(invoke, "resume", "report")["paused_at"] is None
    assert said(invoke, "--paused") == "no schedule is paused\n"


def test_schedules_of_another_namespace_are_named_with_it(invoke: Invoke) -> None:
    assert told(invoke, "pause", "shop/report/night", "--by", "ada")["namespace"] == "shop"
    (row,) = told(invoke, "--paused")
    assert row["namespace"] == "shop"


def test_a_backfill_starts_what_has_not_fired_and_nothing_twice(invoke: Invoke) -> None:
    days = ("report/night", "--since", "2026-03-28", "--until", "2026-03-31")
    planned = said(invoke, "backfill", *days, "--dry-run")
    assert planned.endswith("3 ticks would fire\n")
    assert said(invoke, "ticks", "report/night") == "no tick of it has been decided yet\n"
    done = told(invoke, "backfill", *days)
    assert [each["outcome"] for each in done["fired"]] == ["fired"] * 3
    runs = json.loads(invoke("ps", "--json").stdout)["runs"]
    assert {each["run_id"] for each in runs} == {each["run_id"] for each in done["fired"]}
    assert {each["status"] for each in runs} == {RunStatus.PENDING.value}
    assert said(invoke, "backfill", *days) == "0 ticks fired, 3 had fired before\n"


def test_ticks_are_listed_newest_first_in_the_schedules_zone(invoke: Invoke) -> None:
    said(invoke, "backfill", "report/night", "--since", "2026-03-28", "--until", "2026-03-31")
    head, *rows = said(invoke, "ticks", "report").splitlines()
    assert head.startswith("tick in Europe/Berlin")
    walls = [line.split("    ")[0].rstrip() for line in GAP.splitlines()]
    assert [row[: len(walls[0])] for row in rows] == walls[::-1]
    assert all("fired" in row and "backfilled" in row for row in rows)
    assert told(invoke, "ticks", "report", "--outcome", "missed") == []
    assert [each["tick"][:10] for each in told(invoke, "ticks", "report", "--limit", "1")] == ["2026-03-30"]


def test_a_backfill_needs_a_beginning_before_its_end(invoke: Invoke) -> None:
    days = ("report/night", "--since", "2026-03-31", "--until", "2026-03-28")
    assert "--until is not later than --since" in refused(invoke, 2, "backfill", *days)
    ahead = ("report/night", "--since", "2999-01-01")
    assert "--since is still to come" in refused(invoke, 2, "backfill", *ahead)
    wrong = ("report/night", "--since", "yesterday")
    assert "write 2026-03-29" in refused(invoke, 2, "backfill", *wrong)


# -- served ---------------------------------------------------------------------------------------


def test_a_served_folder_fires_its_schedules_and_says_how_many(invoke: Invoke, folder: Path) -> None:
    put("flows", scheduled("beat", clock={"interval": "1s"}))
    place = ("--store", str(folder / "served.db"))
    with served("flows", *place) as server:
        assert "schedules 1, fired here: openrun schedules --store" in server.said
        while not (ticks := told(invoke, "ticks", "beat", *place)):
            pass
        assert server.stop() == 0
    runs = json.loads(invoke("ps", "--all", "--json", *place).stdout)["runs"]
    assert ticks[-1]["outcome"] == "fired"
    assert ticks[-1]["run_id"] in {each["run_id"] for each in runs}
    (row,) = told(invoke, *place)
    assert row["last_run_id"] in {each["run_id"] for each in runs}
