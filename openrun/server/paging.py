"""Pages of a list: an opaque cursor says where the next one begins, in the body and in a `Link` header (RFC 8288)."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, Field, SerializeAsAny

from openrun.core.types import Json
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call

MOST = 200
_LONGEST = 1_000
_LARGEST = 2**63 - 1

ItemT = TypeVar("ItemT", bound=BaseModel)
RowT = TypeVar("RowT")
PositionT = TypeVar("PositionT")


class PageQuery(BaseModel, extra="forbid"):
    """Which part of a list is asked for; the query of a list derives from it."""

    limit: int = Field(
        default=50, ge=1, le=MOST, title="Limit", description="Most items of a page.", examples=[50]
    )
    cursor: str | None = Field(
        default=None,
        max_length=_LONGEST,
        title="Cursor",
        description="The `next` of the page before, unchanged; the first page when left out.",
        examples=["WyIvdjEvcnVucyIsIjAxOTJjMmY0Il0"],
    )

    @property
    def room(self) -> int:
        """How many rows to ask the store for: one more than is shown tells whether there is a next page."""
        return self.limit + 1


class Page(BaseModel, Generic[ItemT]):
    """A part of a list."""

    items: list[SerializeAsAny[ItemT]] = Field(title="Items", description="In the order of the list.")
    next: str | None = Field(
        default=None,
        title="Next",
        description="The cursor of the next page; null on the last one.",
        examples=["WyIvdjEvcnVucyIsIjAxOTJjMmY0Il0"],
    )


LINK = {"Link": 'Where the next page is, `<…>; rel="next"`; not there on the last one.'}
"""The `answer_headers` of a route that answers with a page."""


def position(call: Call, kind: type[PositionT]) -> PositionT | None:
    """Where the page before ended, as `paged` was told, or None for the first page.

    `kind` is what a position of this list is: `str`, `int`, `tuple[int, str]`. Raises `Problem` (400) for a cursor
    that is none, or that belongs to another list.
    """
    if call.query.cursor is None:
        return None
    try:
        path, found = _decoded(call.query.cursor, kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _not_ours() from None
    if path != call.request.path or not _storable(found):
        raise _not_ours()
    return found


def paged(
    call: Call, rows: Sequence[RowT], show: Callable[[RowT], ItemT], at: Callable[[RowT], Json]
) -> Answer:
    """A page of rows, of which `call.query.room` were asked for; `at` gives a row's position."""
    shown = rows[: call.query.limit]
    items: list[BaseModel] = [show(row) for row in shown]
    if len(rows) <= call.query.limit:
        return Answer(body=Page[BaseModel].model_construct(items=items))
    cursor = _encoded(call.request.path, at(shown[-1]))
    there = call.request.rel_url.update_query(cursor=cursor)
    return Answer(
        body=Page[BaseModel].model_construct(items=items, next=cursor),
        headers={"Link": f'<{there.raw_path_qs}>; rel="next"'},
    )


def _encoded(path: str, at: Json) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([path, at])).decode().rstrip("=")


def _decoded(cursor: str, kind: type[PositionT]) -> tuple[str, PositionT]:
    raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    return msgspec.json.decode(raw, type=tuple[str, kind])  # type: ignore[valid-type]


def _storable(found: Any) -> bool:
    """Whether every store can compare with it: no integer of more than 64 bits, no control characters in text."""
    if isinstance(found, str):
        return found.isprintable()
    if isinstance(found, int):
        return abs(found) <= _LARGEST
    return isinstance(found, Sequence) and all(map(_storable, found))


def _not_ours() -> Problem:
    return Problem(
        400,
        "`cursor` is not one that this list has given; take `next` of the page before as it is, or leave it out",
        errors=[("/cursor", "not a cursor of this list")],
    )
