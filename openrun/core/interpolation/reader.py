"""What a template reads: the roots of a state, by name."""

from collections.abc import Iterable
from enum import Enum
from typing import Final, Literal, Protocol

from openrun.core.types import Json


class Missing(Enum):
    """The type of `MISSING`; an enum of one, so that it survives copying and `is` is enough."""

    MISSING = "missing"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""No such thing; never part of plain data, so that null and absent stay apart."""


class Reader(Protocol):
    """A state as templates see it. All values are plain JSON data and are never changed by a template."""

    def read(self, root: str) -> Json:
        """The value of a root, or `MISSING`."""

    def step_output(self, step_id: str) -> Json:
        """What `steps.<id>` is, or `MISSING`; the same as reading it from the root `steps`, without the rest."""

    def roots(self) -> Iterable[str]:
        """The names of all roots, to suggest near ones."""

    def everything(self) -> dict[str, Json]:
        """The whole state; asked for only by JSONPath that starts at `$` itself."""
