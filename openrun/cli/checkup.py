"""What `openrun doctor` found, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from rich.text import Text

from openrun.cli.screen import Screen
from openrun.cli.text import clean, compact, count, took
from openrun.house.doctor import Examination
from openrun.house.owners import Owners
from openrun.house.rebuild import Difference, Rebuilt

_MOST = 20
_LABEL = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """All that was looked at; None is what was not asked for."""

    examination: Examination
    weaknesses: tuple[str, ...] | None
    rebuilt: Rebuilt | None

    @property
    def is_sound(self) -> bool:
        """Nothing needs somebody."""
        is_whole = self.rebuilt is None or self.rebuilt.is_sound
        return is_whole and not self.examination.problems and not self.weaknesses

    def document(self) -> dict[str, Any]:
        """As plain data."""
        document: dict[str, Any] = msgspec.to_builtins(self.examination)
        if self.weaknesses is not None:
            document["weaknesses"] = list(self.weaknesses)
        if self.rebuilt is not None:
            document["rebuilt"] = msgspec.to_builtins(self.rebuilt)
        return document

    def show(self, out: Screen) -> None:
        """For people."""
        show_examination(out, self.examination)
        if self.weaknesses is not None:
            show_weaknesses(out, self.weaknesses)
        if self.rebuilt is not None:
            show_rebuilt(out, self.rebuilt)


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
    _row(out, "owners", _owners(found.owners))
    _row(out, "dead letters", _many(len(found.dead_letters)))
    _row(out, "events given up", _many(len(found.automation.dead_events)))
    _row(out, "not delivered", _many(len(found.automation.dead_notifications)))
    for subscription_id in found.automation.disabled_subscriptions[:_MOST]:
        out.print(Text(f"  subscription {clean(subscription_id)} is disabled", "dim"))
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


def show_weaknesses(out: Screen, weak: Sequence[str]) -> None:
    """What strangers could use."""
    for each in weak:
        out.print(Text.assemble(("✗ ", "red"), clean(each, 400)))
    if not weak:
        out.print(Text("✓ nothing that strangers could use", "green"))


def _owners(found: Owners) -> str:
    """Who looks after the runs that have not ended."""
    told = [f"{number:,} {owner}" for owner, number in found.counts.items()]
    if found.nobody:
        told.append(f"{len(found.nobody):,} nobody's")
    return ", ".join(told) or "no run needs one"


def _row(out: Screen, name: str, words: str) -> None:
    out.print(Text.assemble((f"{name:<{_LABEL}}", "bold"), words))


def _many(number: int) -> str:
    return "none" if not number else "100 or more" if number >= 100 else str(number)
