"""The chaos command: `python -m tests.chaos --kills 1000 --store sqlite --workers 3`; exits with 1 if anything is wrong."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.checks import Findings, check
from tests.chaos.monkey import Havoc, Monkey, Plan
from tests.servers.postgres import PostgresServer, create_database, drop_database

_SHOWN = 40


def main(words: Sequence[str]) -> int:
    given = _arguments(words)
    with (
        tempfile.TemporaryDirectory(prefix="openrun-chaos-") as name,
        _store(given.store, Path(name)) as store,
    ):
        plan = Plan(
            store=store,
            kills=given.kills,
            steps=given.steps,
            workers=given.workers,
            seed=given.seed,
            interval=given.interval,
            broken=given.broken,
        )
        havoc = Monkey(plan, Path(name)).rage()
        findings = asyncio.run(check(store, Path(name)))
    violations = [*havoc.violations, *findings.violations]
    _print(_report(given, havoc, findings))
    for each in violations[:_SHOWN]:
        _print(f"VIOLATION: {each}")
    _print(f"{len(violations)} VIOLATIONS" if violations else "OK")
    return 1 if violations else 0


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=5_000, help="least steps to be completed")
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--interval", type=float, default=0.25, help="seconds between blows, on average")
    parser.add_argument(
        "--break", dest="broken", choices=["fence", "ack"], help="take a guard out: violations must be found"
    )
    return parser.parse_args(words)


@contextmanager
def _store(kind: str, room: Path) -> Iterator[str]:
    """The URL of a fresh store."""
    if kind == "sqlite":
        yield str(room / "openrun.db")
        return
    given = os.environ.get("OPENRUN_TEST_POSTGRES_URL")
    server = None if given else PostgresServer()
    if server:
        server.start()
    try:
        url = given or (server.url if server else "")
        database = create_database(url)
        yield database
        drop_database(url, database)
    finally:
        if server:
            server.stop()


def _report(given: argparse.Namespace, havoc: Havoc, findings: Findings) -> str:
    kills = ", ".join(f"{count} {name}" for name, count in sorted(havoc.kills.items()))
    statuses = ", ".join(f"{count} {name}" for name, count in sorted(findings.by_status.items()))
    rows = {
        "store": f"{given.store}, {given.workers} workers, seed {given.seed}, broken: {given.broken or 'nothing'}",
        "kills": f"{havoc.killed} ({kills}); {havoc.stops} stopped past the lease; {havoc.processes} processes",
        "runs": f"{findings.runs} ({statuses}); {findings.acknowledged} acknowledgements",
        "steps": f"{findings.steps} completed, {findings.events} events",
        "calls": f"{findings.calls}, {findings.repeats} repeated; {findings.takeovers} changes of hands in flight",
        "commits": f"{havoc.commits}",
        "seconds": f"{havoc.seconds:.1f}, settled after {havoc.settled_after:.1f}",
    }
    return "\n".join(f"{name:8} {text}" for name, text in rows.items())


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
