"""What a run waits to be told, and by whom, as people read it; and the commands that tell it."""

import shlex
from collections.abc import Iterator
from typing import Any

from openrun.cli.rows import document
from openrun.cli.text import clean, compact
from openrun.core.asks import Ask, AskKind
from openrun.runtime.secrets import Redactor
from openrun.runtime.waits import asked
from openrun.store.rows import WaitRow

SHORT_WAIT = 12
"""So many digits of a wait's id, or of an effect's key: 48 random bits."""
_ROLE = "role:"


def in_full(row: WaitRow) -> dict[str, Any]:
    """The wait as plain data, all that it asks included."""
    ask = asked(row)
    found = document(row)
    del found["ask"]
    return found | {
        "payload": ask.payload,
        "form": ask.form,
        "approvers": list(ask.approvers),
        "quorum": ask.quorum,
    }


def question(ask: Ask, redactor: Redactor, most: int = 80) -> str:
    """What is asked, in one line."""
    asks = redactor.masked(ask)
    if asks.title is not None:
        return clean(asks.title, most)
    if asks.payload is not None and ask.kind is AskKind.INPUT:
        return compact(asks.payload, most)
    about = "" if ask.correlation is None else f" about {redactor.masked(ask.correlation)}"
    return clean(f"{ask.kind.value} {ask.name}{about}".rstrip(), most)


def who(ask: Ask) -> str:
    """Who may answer."""
    return clean(", ".join(ask.approvers)) or "anyone"


def commands(ask: Ask, run_id: str, place: list[str], *, short: bool = True) -> Iterator[str]:
    """The command lines that answer; `place` is the store as it is written on them."""
    wait = ask.id[:SHORT_WAIT] if short else ask.id
    roles = [name.removeprefix(_ROLE) for name in ask.approvers if name.startswith(_ROLE)]
    role = ["--role", clean(roles[0])] if roles else []
    if ask.kind is AskKind.APPROVAL:
        yield _line("approve", wait, place, role)
        yield _line("reject", wait, place, role) + " --reason TEXT"
    elif ask.kind is AskKind.INPUT:
        yield _line("answer", wait, place, role) + " VALUE"
    elif ask.kind is AskKind.SIGNAL:
        yield _line("signal", run_id, [clean(ask.name)], place) + " [VALUE]"
    else:
        yield _line("answer", wait, place) + " VALUE"


def _line(command: str, *words: str | list[str]) -> str:
    given = [word for each in words for word in ([each] if isinstance(each, str) else each)]
    return shlex.join(["openrun", command, *given])
