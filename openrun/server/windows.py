"""Pages of what the store lists from its beginning alone: the cursor is how many came before."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel

from openrun.server.paging import paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call

RowT = TypeVar("RowT")
ItemT = TypeVar("ItemT", bound=BaseModel)

_FARTHEST = 100_000


async def windowed(
    call: Call, read: Callable[[int], Awaitable[Sequence[RowT]]], show: Callable[[RowT], ItemT]
) -> Answer:
    """A page of what `read` gives, the first so many; what comes in front meanwhile lets items appear twice, none be missed."""
    before = position(call, int) or 0
    if not 0 <= before <= _FARTHEST:
        raise Problem(400, f"a list is read up to its first {_FARTHEST:,} items; narrow it down")
    rows = await read(before + call.query.room)
    return paged(call, rows[before:], show, lambda _row: before + call.query.limit)
