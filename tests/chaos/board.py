"""A few numbers that all processes of a chaos run see: memory that they share since they were forked."""

import mmap
from enum import IntEnum

_CELL = 8


class Phase(IntEnum):
    """What the processes are to do."""

    CHAOS = 0
    SETTLE = 1
    """Nothing new begins; everything under way is to end."""
    LEAVE = 2
    """Close and exit."""


class Cell(IntEnum):
    """What the numbers are."""

    PHASE = 0
    PORT = 1
    OPEN = 2
    RUNS = 3
    STEPS = 4
    LOOKS = 5
    """How often the witness has looked."""
    ROBBED = 6
    """The process that was last seen to lose a run to another."""
    COMMITS = 7
    """The first of many: each process has one of its own."""


class Board:
    """Numbers by cell; each cell has one writer."""

    def __init__(self, processes: int) -> None:
        self._memory = mmap.mmap(-1, _CELL * (Cell.COMMITS + processes))
        self._cells = memoryview(self._memory).cast("q")

    def __getitem__(self, cell: int) -> int:
        return self._cells[cell]

    def __setitem__(self, cell: int, value: int) -> None:
        self._cells[cell] = value

    @property
    def phase(self) -> Phase:
        return Phase(self[Cell.PHASE])

    @property
    def commits(self) -> int:
        """What all processes have committed, as they last said."""
        return sum(self._cells[Cell.COMMITS :])
