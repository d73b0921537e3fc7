"""Starting runs and keeping account of it: what was asked for, and what was acknowledged."""

import asyncio
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from openrun.app import App, KeyConflict, UnknownFlow
from openrun.core.errors import OpenRunError
from tests.chaos.board import Board, Cell, Phase
from tests.chaos.flows import ROOTS


class Ack(NamedTuple):
    """`start` has returned: this run is promised."""

    key: str
    run_id: str


class Account:
    """A file that only grows; a line is one write, so that those of many processes never mix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def ask(self, key: str) -> None:
        self._write("ask", key, str(os.getpid()))

    def acknowledge(self, key: str, run_id: str) -> None:
        self._write("ack", key, run_id, str(os.getpid()))

    def _write(self, *words: str) -> None:
        os.write(self._file, f"{' '.join(words)}\n".encode())
        os.fsync(self._file)

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def acks(self) -> list[Ack]:
        return [Ack(words[1], words[2]) for words in self._lines() if words[0] == "ack"]

    def unanswered(self) -> list[str]:
        """Keys whose start nobody was told to have happened."""
        asked = [words[1] for words in self._lines() if words[0] == "ask"]
        answered = {each.key for each in self.acks()}
        return [key for key in dict.fromkeys(asked) if key not in answered]

    def acknowledger(self, since: int) -> int | None:
        """The process of the first acknowledgement behind this place of the file."""
        with self._path.open("rb") as file:
            file.seek(since)
            lines = [line.split() for line in file.read().splitlines()]
        return next((int(words[3]) for words in lines if len(words) == 4 and words[0] == b"ack"), None)

    def _lines(self) -> Iterator[list[str]]:
        for line in self._path.read_text().splitlines():
            yield line.split()


def payload(key: str) -> tuple[str, dict[str, Any]]:
    """The flow and the input of a key: the same whoever starts it."""
    dice = Random(key)  # noqa: S311
    body = {
        "n": key,
        "pause": round(dice.uniform(0.05, 0.5), 3),
        "rounds": dice.randint(1, 3),
        "flag": dice.random() < 0.5,
    }
    return dice.choice(ROOTS), {"body": body}


async def start_runs(
    app: App, account: Account, board: Board, *, most: int, pause: float, keyed: bool
) -> None:
    """Start runs until the chaos is over, as long as no more than `most` are open.

    Without keys nothing is started a second time: not what was not acknowledged either.
    """
    dice = Random()  # noqa: S311
    left = account.unanswered() if keyed and app.worker is None else []
    for key in _keys(left, dice, again=0.1 if keyed else 0.0):
        if not await _may_start(board, most):
            return
        await _start(app, account, key, keyed=keyed)
        await asyncio.sleep(dice.expovariate(1 / pause))


async def _may_start(board: Board, most: int) -> bool:
    while board.phase is Phase.CHAOS:
        if board[Cell.OPEN] < most:
            return True
        await asyncio.sleep(0.02)
    return False


def _keys(left: list[str], dice: Random, *, again: float) -> Iterator[str]:
    """Those that nobody was answered, then fresh ones and now and then one of before."""
    known = list(left)
    yield from left
    for number in count():
        if known and dice.random() < again:
            yield dice.choice(known)
        key = f"k{os.getpid()}.{number}"
        known.append(key)
        yield key


async def _start(app: App, account: Account, key: str, *, keyed: bool) -> None:
    flow, given = payload(key)
    account.ask(key)
    while True:
        try:
            run = await app.start(flow, input=given, key=key if keyed else None)
        except (KeyConflict, UnknownFlow):
            raise
        except OpenRunError:
            # The store was away, or the worker's lease was over: nothing was promised, so it is asked for again.
            await asyncio.sleep(0.05)
        else:
            account.acknowledge(key, run.run_id)
            return
