"""What `openrun doctor` found, for people."""

from datetime import timedelta

from rich.text import Text

from openrun.cli.screen import Screen
from openrun.cli.text import clean, compact, count, took
from openrun.house.doctor import Examination
from openrun.house.rebuild import Difference, Rebuilt

_MOST = 20


def show_examination(out: Screen, found: Examination) -> None:
    """What is in the store and who works on it; then what is wrong."""
    counts = ", ".join(f"{number:,} {status}" for status, number in found.counts.items())
    _row(out, "store", f"{found.store}, schema {found.schema}")
    _row(out, "runs", counts or "none")
    _row(out, "workers", str(len(found.workers)) if found.workers else "none at work")
    for worker in found.workers:
        left = timedelta(milliseconds=abs(worker.lease_ms))
        lease = f"lease for {took(left)}" if worker.lease_ms > 0 else f"lease expired {took(left)} ago"
        out.print(Text(f"  {clean(worker.worker)}  {count(worker.runs, 'run')}, {lease}", "dim"))
    _row(out, "dead letters", _many(len(found.dead_letters)))
    _row(out, "rest for long", _many(len(found.resting)))
    for each in found.resting[:_MOST]:
        since = took(timedelta(milliseconds=each.since_ms))
        out.print(Text(f"  {clean(each.run_id)}  {each.status.value} for {since}", "dim"))
    for problem in found.problems:
        out.print(Text.assemble(("✗ ", "red"), clean(problem, 400)))
    if not found.problems:
        out.print(Text("✓ nothing is wrong", "green"))


def show_rebuilt(out: Screen, found: Rebuilt) -> None:
    """How what the store derived compares with the journals."""
    fixed = set(found.fixed)
    for each in found.differences:
        out.print(difference_text(each, is_fixed=each.run_id in fixed))
    for fault in found.faults:
        out.print(Text.assemble(("✗ ", "red"), f"{clean(fault.run_id)}  {clean(fault.reason, 400)}"))
    for left in found.left_out:
        out.print(
            Text.assemble(("· ", "yellow"), f"{clean(left.run_id)}  left out: {clean(left.reason, 400)}")
        )
    differing = len({each.run_id for each in found.differences})
    words = f"{count(found.runs, 'run')} folded again: {differing} differ, {len(fixed)} mended"
    out.print(Text(words, "green" if found.is_sound else "red"))


def difference_text(each: Difference, *, is_fixed: bool = False) -> Text:
    """One difference: where, what is stored, what it should be."""
    return Text.assemble(
        ("✓ mended " if is_fixed else "✗ ", "green" if is_fixed else "red"),
        (f"{clean(each.run_id)} ", "bold"),
        clean(each.place),
        f"  stored {compact(each.stored, 400)}, derived {compact(each.derived, 400)}",
    )


def _row(out: Screen, name: str, words: str) -> None:
    out.print(Text.assemble((f"{name:<14}", "bold"), words))


def _many(number: int) -> str:
    return "none" if not number else "100 or more" if number >= 100 else str(number)
