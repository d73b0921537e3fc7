"""`openrun lanes`: how full the limits of flows are."""

import asyncio
import json
from typing import Any

from openrun.app import App
from openrun.flow import Flow
from tests.cli.conftest import Invoke
from tests.cli.given import FLOWS

CONTROL = {
    "key": "<<body.tenant>>",
    "concurrency": 2,
    "total": 10,
    "rate": {"limit": 1, "period": "1m", "over": "cancel"},
    "debounce": {"period": "5s", "at_most": "1m"},
}


def waiting(*tenants: str) -> None:
    """Runs that wait for each other, in a store that nobody works on."""

    async def start() -> None:
        flow = Flow.from_dict({**FLOWS["wait"], "id": "imports", "flow_control": CONTROL})
        async with App("openrun.db", flows=[flow], work=False) as app:
            for tenant in tenants:
                await app.start("imports", input={"body": {"tenant": tenant}})

    asyncio.run(start())


def listed(invoke: Invoke, *arguments: str) -> list[dict[str, Any]]:
    result = invoke("lanes", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_lanes_say_what_waits_in_them_since_when_and_what_bounds_them(invoke: Invoke) -> None:
    waiting("ada", "ada", "bob")
    said = invoke("lanes").stdout
    head, ada, bob = said.splitlines()
    assert head.split() == ["flow", "key", "running", "queued", "waiting", "limits"]
    assert ada.split()[:6] == ["imports", "ada", "0", "of", "2", "2"]
    assert bob.split()[:6] == ["imports", "bob", "0", "of", "2", "1"]
    assert "2 at once, queue; 10 in all; 1 start per 1m, cancel; debounce 5s, 1m at most" in ada
    first, _second = listed(invoke)
    assert (first["key"], first["queued"], first["rules"]["limit"]) == ("ada", 2, 2)
    assert first["oldest"].startswith("20")


def test_lanes_are_listed_by_flow_and_so_many(invoke: Invoke) -> None:
    waiting("ada", "bob", "cyd")
    assert len(listed(invoke, "--limit", "2")) == 2
    assert "there are more; --limit N lists more" in invoke("lanes", "--limit", "2").stdout
    assert listed(invoke, "--flow", "other") == []
    assert "nothing runs or waits in a lane" in invoke("lanes", "--flow", "other").stdout


def test_a_store_that_is_not_there_has_no_lanes(invoke: Invoke) -> None:
    assert invoke("lanes", "--store", "none.db").exit_code == 3
