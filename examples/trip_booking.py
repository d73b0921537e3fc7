"""A saga: three bookings, each with the step that undoes it. The third fails, and the first two are undone, last first.

What is undone is what had succeeded. A step that undoes sees the run as it was right after the step that it undoes,
so that it finds the number of the booking.
"""

import asyncio

from aiohttp import web
from receiver import serving

from openrun import (
    CompensationCompleted,
    Engine,
    Flow,
    FlowCompleted,
    RetryPolicy,
    StepRequest,
    StepScheduled,
    TriggerManual,
)
from openrun.core.events import Shown
from openrun.steps.execution.request import StepRequestConfig


def booking(what: str, address: str) -> StepRequest:
    """Books something, and says how it is cancelled."""
    url = f"http://{address}/{what}"
    number = f"<<steps.{what}.data.number>>"
    return StepRequest(
        id=what,
        config=StepRequestConfig(url=url, method="POST", body={"name": "<<body.name>>"}),
        compensate=StepRequest(
            config=StepRequestConfig(url=f"{url}/{number}", method="DELETE"),
            retry=RetryPolicy(max_attempts=5, base_ms=100),
        ),
    )


def trip(address: str) -> Flow:
    start = TriggerManual(id="start")
    flight, hotel, car = (booking(what, address) for what in ("flight", "hotel", "car"))
    return Flow(name="Trip").add(start >> flight >> hotel >> car)


class Agency:
    """The receiver: it has flights and hotels, and no cars, and is busy when the flight is cancelled."""

    def __init__(self) -> None:
        self.booked: dict[str, str] = {}
        self._busy = True

    async def book(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        if what == "car":
            print("  there is no car")
            return web.json_response({"error": "no car is left"}, status=409)
        number = f"{what[0].upper()}{len(self.booked) + 1}"
        self.booked[number] = what
        print(f"  booked {what} {number}")
        return web.json_response({"number": number})

    async def cancel(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if request.match_info["what"] == "flight" and self._busy:
            self._busy = False
            return web.json_response({}, status=503)
        self.booked.pop(number, None)
        print(f"  cancelled {number}")
        return web.json_response({})


async def main() -> None:
    agency = Agency()
    routes = {"POST /{what}": agency.book, "DELETE /{what}/{number}": agency.cancel}
    async with serving(routes) as address, Engine(allow=[address]) as engine:
        run = trip(address).run(input={"body": {"name": "Ada"}}, engine=engine)
        async for event in run:
            tell(event)
        print(f"still booked: {agency.booked or 'nothing'}")


def tell(event: Shown) -> None:
    match event:
        case StepScheduled(step_id=step_id, error=error):
            print(f"  {error.code}: the {step_id} is tried again")
        case CompensationCompleted(step_id=step_id, status=status):
            print(f"undoing the {step_id}: {status}")
        case FlowCompleted(status=status, compensation=compensation):
            print(f"the run {status}; what was done is undone: {compensation}")
        case _:
            pass


if __name__ == "__main__":
    asyncio.run(main())
