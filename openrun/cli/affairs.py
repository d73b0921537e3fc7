"""What a run has to do with the world outside: its open waits, effects in doubt, compensations, and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from openrun.app import App
from openrun.cli.asking import commands, question
from openrun.cli.asking import in_full as wait_in_full
from openrun.cli.compensations import compensations_table, is_left
from openrun.cli.effects import effects_table
from openrun.cli.effects import in_full as effect_in_full
from openrun.cli.rows import at, document, instant, since
from openrun.cli.screen import Screen
from openrun.cli.text import clean, compact
from openrun.core.effects import EffectStatus
from openrun.core.strict_json import decode
from openrun.runtime.secrets import Redactor
from openrun.runtime.waits import asked
from openrun.store.rows import ActivationRow, CompensationRow, EffectRow, ProgressRow, WaitRow

_MOST = 1_000
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Affairs:
    """Of one run; `progress` is the latest of each step that runs."""

    waits: Sequence[WaitRow]
    doubts: Sequence[EffectRow]
    compensations: Sequence[CompensationRow]
    progress: Sequence[ProgressRow]
    reviews: Sequence[ActivationRow]
    """Steps that a person has to look into as a whole."""

    @classmethod
    async def of(cls, app: App, run_id: str, activations: Sequence[ActivationRow]) -> "Affairs":
        """As the store has it."""
        doubts = await app.ledger.effects(run_id=run_id, status=[EffectStatus.UNKNOWN], limit=_MOST)
        about = {(row.step_id, row.scope) for row in doubts}
        running = {(row.step_id, row.scope) for row in activations if row.status == "running"}
        return cls(
            waits=await app.waits.open(run_id=run_id, limit=_MOST),
            doubts=doubts,
            reviews=[
                row for row in activations if row.status == "review" and (row.step_id, row.scope) not in about
            ],
            compensations=await app.ledger.compensations(run_id, _MOST),
            progress=await _latest(app, run_id, running) if running else (),
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "waits": [wait_in_full(row) for row in self.waits],
            "effects_in_doubt": [effect_in_full(row) for row in self.doubts],
            "compensations": [document(row) for row in self.compensations],
            "progress": [
                document(row) | {"at": instant(row.at).isoformat(), "data": decode(row.data)}
                for row in self.progress
            ],
        }

    def show(self, out: Screen, now: int, place: list[str], redactor: Redactor) -> None:
        """Print what there is of it; `place` is the store as it is written on a command line."""
        for report in self.progress[:_SHOWN]:
            out.print(_progress(report, now, redactor))
        self._show_waits(out, place, redactor)
        for row in self.reviews[:_SHOWN]:
            scope = "" if row.scope == "/" else f" --scope '{clean(row.scope, 80)}'"
            line = (
                f"openrun resolve {row.run_id} {clean(row.step_id, 64)}{scope} --committed [VALUE] | --absent"
            )
            out.print(
                Text(f"nobody knows whether the work of {clean(row.step_id, 64)} took place", "bold red")
            )
            out.print(Text(f"  {line}", "dim"))
        if self.doubts:
            out.print(Text(f"nobody knows whether these took place ({len(self.doubts):,})", "bold red"))
            out.print(effects_table(self.doubts[:_SHOWN], now, redactor))
            out.print(Text("  openrun effects resolve EFFECT --committed [VALUE] | --absent", "dim"))
        if self.compensations:
            out.print(Text(f"undoing ({len(self.compensations):,})", "bold"))
            out.print(compensations_table(self.compensations[-_SHOWN:], redactor))
            if any(is_left(row) for row in self.compensations):
                out.print(
                    Text("  openrun compensations resolve RUN STEP | ignore RUN STEP --reason TEXT", "dim")
                )

    def _show_waits(self, out: Screen, place: list[str], redactor: Redactor) -> None:
        if self.waits:
            out.print(Text(f"waits for ({len(self.waits):,})", "bold"))
        for row in self.waits[:_SHOWN]:
            until = "" if row.expires_at is None else f" until {at(row.expires_at)}"
            asks = asked(row)
            out.print(Text(f"  {clean(row.step_id, 40)}: {question(asks, redactor)}{until}"))
            out.print(Text(f"    {next(commands(asks, row.run_id, place))}", "dim"))
        if len(self.waits) > _SHOWN:
            out.print(Text(f"  … and {len(self.waits) - _SHOWN:,} more; --json prints all", "dim"))


async def _latest(app: App, run_id: str, running: set[tuple[str, str]]) -> list[ProgressRow]:
    found: dict[tuple[str, str], ProgressRow] = {}
    after = 0
    while page := await app.store.progress(run_id, after=after, limit=_MOST):
        found.update({(row.step_id, row.scope): row for row in page if (row.step_id, row.scope) in running})
        after = page[-1].number
    return list(found.values())


def _progress(row: ProgressRow, now: int, redactor: Redactor) -> Text:
    place = clean(row.step_id, 40) + ("" if row.scope == "/" else f" in {clean(row.scope, 40)}")
    data = compact(redactor.masked(decode(row.data)))
    return Text.assemble((place, "bold"), f" reported {data}", (f"  {since(row.at, now)} ago", "dim"))
