"""A list in pages: a foreach step reads all pages, some at once, and the results keep the pages' order.

`paged_api.json` is the flow. The body of its foreach step is a small flow of its own, run once per item, with
`item` and `index` to read. The second page is out of order at first, and is read again.
"""

import asyncio
from pathlib import Path

from aiohttp import web
from receiver import serving

from openrun import Engine, Flow, StepScheduled, StepStarted

SHELF = ["Dune", "Emma", "Ulysses", "Beloved", "Persuasion", "Middlemarch", "Kindred"]
PER_PAGE = 2


def pages_of_books() -> list[list[dict[str, str]]]:
    books = [{"title": title} for title in SHELF]
    return [books[at : at + PER_PAGE] for at in range(0, len(books), PER_PAGE)]


async def main() -> None:
    pages = pages_of_books()
    out_of_order = {"2"}

    async def books(request: web.Request) -> web.Response:
        page = request.query.get("page")
        if page is None:
            return web.json_response({"pages": list(range(1, len(pages) + 1))})
        if page in out_of_order:
            out_of_order.remove(page)
            return web.Response(status=503)
        return web.json_response({"books": pages[int(page) - 1]})

    flow = Flow.from_json((Path(__file__).parent / "paged_api.json").read_bytes())
    async with serving({"GET /books": books}) as address, Engine(allow=[address]) as engine:
        run = flow.run(initial_state={"api": address}, engine=engine)
        async for event in run:
            match event:
                case StepStarted(step_id="read", attempt=1):
                    print(f"reads a page in {event.scope}")
                case StepScheduled():
                    print(f"{event.error.code} in {event.scope}: tries again")
        finished = await run.finished()

    print(f"the run {finished.status}: {', '.join(finished.output)}")


if __name__ == "__main__":
    asyncio.run(main())
