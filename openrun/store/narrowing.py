"""Which query finds what a filter asks for: the one whose index leaves the fewest rows to look at."""

from collections.abc import Iterable

from msgspec.structs import replace

from openrun.store.rows import EffectFilter, WaitFilter, WaitRow


def waits_query(wanted: WaitFilter) -> str:
    """For one of the parts of a filter."""
    queries = {
        "waits_of_run": wanted.run_id is not None,
        "waits_closed": not wanted.open,
        "waits_of_correlation": wanted.name is not None and wanted.correlation is not None,
        "waits_uncorrelated": wanted.name is not None and wanted.uncorrelated,
        "waits_of_name": wanted.name is not None,
        "waits_of_kind": bool(wanted.kind),
        "waits_open": True,
    }
    return next(name for name, fits in queries.items() if fits)


def parts(wanted: WaitFilter) -> list[WaitFilter]:
    """What is asked for one by one: open waits before closed ones, and open ones kind by kind."""
    if wanted.run_id is not None:
        return [wanted]
    if wanted.open is None:
        return [*parts(replace(wanted, open=True)), replace(wanted, open=False)]
    if wanted.open and wanted.name is None and wanted.kind:
        return [replace(wanted, kind=(each,)) for each in dict.fromkeys(wanted.kind)]
    return [wanted]


def merged(rows: Iterable[WaitRow], limit: int) -> list[WaitRow]:
    """The oldest of these; one that was closed between two questions is told once, as it was then."""
    found = {(row.wait_id, row.run_id): row for row in rows}
    return sorted(found.values(), key=lambda row: (row.created_at, row.wait_id))[:limit]


def effects_query(wanted: EffectFilter) -> str:
    if wanted.run_id is not None:
        return "effects_of_run"
    return "effects_of_status" if wanted.status else "effects"
