"""What the flows call: counts calls by the activation they name, and fails now and then."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from random import Random

from aiohttp import web

_FAILS = 0.2
_DROPS = 0.02
_LONGEST = 0.35


class Receiver:
    """Every call is written down before anything else is done with it, and gets a number of its own."""

    def __init__(self, path: Path, seed: int) -> None:
        self._file = path.open("a", buffering=1)
        self._seed = seed
        self._seen: Counter[str] = Counter()
        self._calls = 0

    async def start(self) -> tuple[web.AppRunner, int]:
        """Serve on a free port of 127.0.0.1."""
        app = web.Application()
        app.router.add_post("/{step}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port = runner.addresses[0]
        return runner, port

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        key = request.headers["Idempotency-Key"].strip('"')
        self._calls += 1
        number = self._calls
        self._file.write(f"{key} {number}\n")
        self._seen[key] += 1
        dice = Random(f"{self._seed}:{key}:{self._seen[key]}")  # noqa: S311
        await asyncio.sleep(dice.uniform(0.0, _LONGEST))
        luck = dice.random()
        if luck < _DROPS and request.transport is not None:
            request.transport.abort()
        status = 503 if luck < _FAILS else 200
        return web.json_response({"number": number}, status=status)


def calls(path: Path) -> Mapping[str, list[int]]:
    """The numbers of the calls for each activation."""
    found: dict[str, list[int]] = defaultdict(list)
    for line in path.read_text().splitlines():
        key, number = line.split()
        found[key].append(int(number))
    return found
