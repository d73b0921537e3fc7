"""--by and --role: who says what a command tells a run."""

import getpass
from typing import Annotated

import typer

from openrun.cli.refusal import Refusal

By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who says so; your login name when left out.")
]
Roles = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE", help="A role that you have; repeatable.")
]


def named(by: str | None) -> str:
    """Whoever it is. Raises `Refusal` where nobody is known to have logged in."""
    if by is not None and not by.strip():
        raise Refusal("--by is empty")
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        raise Refusal("it is not known who you are", hint="say so with --by NAME") from None
