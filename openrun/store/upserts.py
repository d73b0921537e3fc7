"""Rows written over others about the same thing: what the newer one leaves out stays as it was.

The SQL that writes such rows says the same (`coalesce`).
"""

from msgspec.structs import replace

from openrun.store.rows import ActivationRow, CompensationRow, EffectRow


def activation_over(known: ActivationRow | None, row: ActivationRow) -> ActivationRow:
    if known is None:
        return row
    attempt = known.attempt if row.attempt is None else row.attempt
    started_at = known.started_at if row.started_at is None else row.started_at
    return replace(row, attempt=attempt, started_at=started_at)


def effect_over(known: EffectRow | None, row: EffectRow) -> EffectRow:
    if known is None:
        return row
    return replace(
        row,
        args_hash=known.args_hash if row.args_hash is None else row.args_hash,
        value=known.value if row.value is None else row.value,
        started_at=known.started_at if row.started_at is None else row.started_at,
    )


def compensation_over(known: CompensationRow | None, row: CompensationRow) -> CompensationRow:
    if known is None or row.started_at is not None:
        return row
    return replace(row, started_at=known.started_at)
