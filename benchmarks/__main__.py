"""`make bench`: prints every ratio beside its bar; `python -m benchmarks NAME...` only those of some parts."""

import asyncio
import importlib
import importlib.util
import platform
import sys

PARTS = {
    "per_step": (),
    "growth": (),
    "compiling": (),
    "others": ("burr", "langgraph"),
    "durable_runs": ("psycopg",),
    "durable_rivals": ("dbos", "langgraph", "aiosqlite", "psycopg"),
    "durable_restart": (),
    "durable_resume": (),
    "durable_lists": ("psycopg",),
    "webhook": (),
    "events": (),
    "node_red": (),
    "streams": (),
    "schedules": (),
    "start_up": (),
}
"""What can be measured, and the packages that it takes beyond our own."""


async def main(names: list[str]) -> None:
    """Measure all there is, or what is named; other engines only where they are installed."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"there is no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"Python {platform.python_version()}; ratios of medians over interleaved rounds\n")
    for name in names or PARTS:
        missing = [package for package in PARTS[name] if importlib.util.find_spec(package) is None]
        if missing:
            print(f"skipped: {name} ({', '.join(missing)} not installed; `make bench` installs all)")
            continue
        part = importlib.import_module(f"benchmarks.{name}")
        for line in await part.measure():
            print(line, flush=True)


asyncio.run(main(sys.argv[1:]))
