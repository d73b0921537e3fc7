"""A report every night: a schedule in a time zone, two requests side by side, and a line for a chat.

`nightly_report.json` is the flow. Served, it fires every night at half past two in Berlin:

    openrun serve examples/nightly_report.json --secret shop=env:SHOP_URL --secret chat=env:CHAT_URL

Here nobody waits for the night. Three nights of the past are caught up on by hand; in one of them the clocks of
Berlin skip half past two. What has fired once does not fire again.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from receiver import serving

from openrun import Flow
from openrun.app import App

FLOW, TRIGGER = "nightly-report", "night"
SINCE, UNTIL = datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
SOLD = {"2026-03-28": [20, 12], "2026-03-29": [4], "2026-03-30": [20, 20, 9]}
"""What was paid in the orders of a day, by the day of the report."""


async def sales(request: web.Request) -> web.Response:
    """What was sold in the day until then."""
    prices = SOLD[request.query["until"][:10]]
    return web.json_response({"orders": [{"price": price} for price in prices]})


async def stock(_request: web.Request) -> web.Response:
    return web.json_response([{"item": "teapot", "left": 2}, {"item": "cup", "left": 40}])


class Chat:
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def post(self, request: web.Request) -> web.Response:
        self.lines.append((await request.json())["text"])
        return web.json_response({"ok": True})


async def look_ahead(app: App) -> None:
    """When it fires, as the clocks of Berlin show it."""
    print("three nights of March:")
    for fire in await app.schedules.preview(FLOW, TRIGGER, count=3, after=SINCE):
        print(f"  {fire.local:%a %H:%M} {fire.local:%z}  {fire.note or ''}".rstrip())


async def catch_up(app: App) -> None:
    """Fire what has not fired yet, and wait until all of it is done."""
    done = await app.schedules.backfill(FLOW, TRIGGER, SINCE, UNTIL)
    print(f"caught up: {len(done.fired)} fired, {len(done.skipped_already)} had fired before")
    for tick in done.fired:
        assert tick.run_id is not None
        row = await app.ended(tick.run_id)
        assert row.status == "succeeded", row.status


async def main() -> None:
    chat = Chat()
    flow = Flow.from_json((Path(__file__).parent / "nightly_report.json").read_bytes())
    routes = {"GET /sales": sales, "GET /stock": stock, "POST /chat": chat.post}
    async with serving(routes) as address:
        secrets = {"shop": f"http://{address}", "chat": f"http://{address}/chat"}
        async with App(":memory:", flows=[flow], secrets=secrets, allow=[address]) as app:
            await look_ahead(app)
            await catch_up(app)
            await catch_up(app)
    print("the chat has:")
    for line in sorted(chat.lines):
        print(f"  {line}")


if __name__ == "__main__":
    asyncio.run(main())
