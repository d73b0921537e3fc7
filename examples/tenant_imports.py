"""A throttled importer: one tenant's very many imports hold nobody else's, and the warehouse never sees too many at once.

The limits stand in the flow, and hold over all workers of a store. `key` is read from what starts a run: each tenant has
its own two places, and all of them together have three. The second flow lets the newest of several changes stand for
all: it waits until nothing new has come for a moment.
"""

import asyncio
from collections import Counter

from aiohttp import web
from receiver import serving

from openrun import Debounce, Flow, FlowControl, StepRequest, TriggerManual
from openrun.app import App
from openrun.core.types import RunStatus
from openrun.steps.execution.request import StepRequestConfig

IMPORTS = {"acme": 12, "globex": 1, "initech": 3}
AT_ONCE, IN_ALL = 2, 3


def importer(address: str) -> Flow:
    """Imports one file of one tenant."""
    start = TriggerManual(id="start")
    url = f"http://{address}/import/<<body.tenant>>"
    load = StepRequest(id="load", config=StepRequestConfig(url=url, method="POST", body="<<body.file>>"))
    control = FlowControl(key="<<body.tenant>>", concurrency=AT_ONCE, total=IN_ALL)
    return Flow(name="Import", flow_control=control).add(start >> load)


def refresher(address: str) -> Flow:
    """Builds a tenant's search index anew, once a burst of changes is over."""
    start = TriggerManual(id="start")
    url = f"http://{address}/index/<<body.tenant>>"
    build = StepRequest(id="build", config=StepRequestConfig(url=url, method="POST", body="<<body.change>>"))
    control = FlowControl(key="<<body.tenant>>", debounce=Debounce(period="300ms", at_most="5s"))
    return Flow(name="Refresh", flow_control=control).add(start >> build)


class Warehouse:
    """The receiver: it counts how many imports it has at once, of each tenant and of all."""

    def __init__(self) -> None:
        self.busy: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.ended: list[str] = []
        self.indexed: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        names = (tenant, "all")
        self.busy.update(names)
        self.most |= self.busy
        await asyncio.sleep(0.03)
        self.busy.subtract(names)
        self.ended.append(tenant)
        return web.json_response({})

    async def index(self, request: web.Request) -> web.Response:
        self.indexed.append(await request.text())
        return web.json_response({})


async def imports(app: App, warehouse: Warehouse) -> None:
    """Acme comes first with all that it has; the others do not wait for the end of that."""
    asked = [(tenant, number) for tenant, count in IMPORTS.items() for number in range(count)]
    runs = [
        await app.start("import", input={"body": {"tenant": tenant, "file": f"{number}.csv"}})
        for tenant, number in asked
    ]
    rows = [await run.finished() for run in runs]
    print(f"{sum(row.status is RunStatus.SUCCEEDED for row in rows)} imports succeeded")
    for tenant, count in IMPORTS.items():
        print(f"  {tenant}: {count}, never more than {AT_ONCE} at once: {warehouse.most[tenant] <= AT_ONCE}")
    print(f"  all: never more than {IN_ALL} at once: {warehouse.most['all'] <= IN_ALL}")
    print(
        f"  globex waited for all of acme: {'acme' not in warehouse.ended[warehouse.ended.index('globex') :]}"
    )


async def refreshes(app: App, warehouse: Warehouse) -> None:
    """Three changes in a moment."""
    runs = [
        await app.start("refresh", input={"body": {"tenant": "acme", "change": change}})
        for change in ("price", "stock", "picture")
    ]
    statuses = [(await run.finished()).status.value for run in runs]
    print(f"3 changes: {', '.join(statuses)}; the index is built anew for {', '.join(warehouse.indexed)}")


async def main() -> None:
    warehouse = Warehouse()
    routes = {"POST /import/{tenant}": warehouse.take, "POST /index/{tenant}": warehouse.index}
    async with serving(routes) as address:
        flows = [importer(address), refresher(address)]
        async with App(":memory:", flows=flows, allow=[address]) as app:
            await imports(app, warehouse)
            await refreshes(app, warehouse)


if __name__ == "__main__":
    asyncio.run(main())
