"""A small chaos run keeps the promise, and without one of its guards the same chaos finds it broken."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def chaos(*words: str) -> tuple[int, str]:
    """Exit code and report."""
    command = [sys.executable, "-m", "tests.chaos", "--interval", "0.2", "--steps", "100", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_killed_and_stopped_workers_lose_nothing_and_repeat_only_what_was_in_flight() -> None:
    code, report = chaos("--kills", "30", "--seed", "1")
    assert report.endswith("\nOK\n"), report
    assert code == 0


def test_zombies_are_found_out_when_the_fence_is_taken_out() -> None:
    # A zombie has to wake at the right moment, which few kills need not bring about.
    for seed in ("2", "4", "5"):
        code, report = chaos("--kills", "30", "--seed", seed, "--break", "fence")
        if code == 1:
            break
    assert code == 1, report
    assert re.search(r"under fence \d+, after fence|stuck|changes of hands", report), report


def test_lost_runs_are_found_out_when_starts_are_acknowledged_before_the_commit() -> None:
    code, report = chaos("--kills", "30", "--seed", "3", "--break", "ack")
    assert code == 1, report
    assert re.search(r"acknowledged run \S+ of \S+ is lost", report), report
