"""`make bench`: prints every ratio beside its bar."""

import asyncio
import importlib.util
import platform

from benchmarks import compiling, growth, per_step

OTHERS = ("burr", "langgraph")


async def main() -> None:
    """Measure all there is; those of other engines only where they are installed."""
    print(f"Python {platform.python_version()}; ratios of medians over interleaved rounds\n")
    for part in (per_step, growth, compiling):
        for line in await part.measure():
            print(line, flush=True)
    if all(importlib.util.find_spec(name) for name in OTHERS):
        others = importlib.import_module("benchmarks.others")
        for line in await others.measure():
            print(line, flush=True)
    else:
        print(f"skipped: other engines ({', '.join(OTHERS)} are not installed; `make bench` installs them)")


asyncio.run(main())
