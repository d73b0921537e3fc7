"""What a fault of Postgres or of the way to it means to those who use the store."""

import psycopg
from psycopg import errors

from openrun.store.base import StoreError, StoreFull, StoreUnavailable

_PERMANENT = (errors.ProgramLimitExceeded, errors.StatementTooComplex)
_PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
    # A server that was demoted; the connection made next may lead to the new primary.
    errors.ReadOnlySqlTransaction,
    OSError,
    TimeoutError,
)

CONFLICTS = (errors.UniqueViolation, errors.DeadlockDetected, errors.SerializationFailure)
"""Somebody else was faster; nothing was kept, and another try sees what they wrote."""

REFUSALS = (psycopg.DataError, psycopg.IntegrityError, *_PERMANENT, UnicodeEncodeError)
"""Data that Postgres does not take."""


def translated(error: BaseException) -> BaseException:
    """The error that callers are promised; one that is no fault of the database stays what it is."""
    if isinstance(error, errors.DiskFull):
        return StoreFull(
            f"there is no room for more in Postgres: {_first_line(error)}; free some on its disk"
        )
    if isinstance(error, _PASSING) and not isinstance(error, _PERMANENT):
        return StoreUnavailable(f"Postgres cannot be reached or did not answer: {_first_line(error)}")
    if isinstance(error, psycopg.Error | UnicodeEncodeError):
        return StoreError(f"Postgres refused: {_first_line(error)}")
    return error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
