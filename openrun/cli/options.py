"""What commands take, as frozen values; typer reads the same declarations."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from openrun.cli.refusal import Refusal

T = TypeVar("T")

FlowName = Annotated[
    str,
    typer.Argument(
        metavar="FLOW",
        help="A JSON file, - for stdin, or module:name of a Flow (or of a function that makes one).",
    ),
]
ModuleNames = Annotated[
    list[str] | None,
    typer.Option("--module", metavar="MODULE", help="Module whose steps documents may use; repeatable."),
]
PrivateTargets = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="HOST:PORT", help="Private target that requests may reach; repeatable."),
]
FlowPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--flows",
        metavar="PATH",
        help="Flow, or folder of flows, that subflow and foreach may run; repeatable.",
    ),
]
SecretSources = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=env:VARIABLE|file:PATH",
        help="Secret that requests may name as <<secrets.NAME>>, and where its value is found; repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a flow is to be run."""

    flow: FlowName
    trigger: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The trigger that starts the run; the only one when left out."),
    ] = None
    payload: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="JSON|@FILE|-", help='The trigger\'s payload, such as {"body": {"id": 7}}.'
        ),
    ] = None
    state: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Initial state: JSON, else text; repeatable."),
    ] = None
    flows: FlowPaths = None
    allow: PrivateTargets = None
    secrets: SecretSources = None
    modules: ModuleNames = None
    as_json: AsJson = False

    def arguments(self) -> list[str]:
        """The options as they are written on a command line, without FLOW and --json."""
        written: list[str] = []
        for name, values in (
            ("--trigger", [self.trigger] if self.trigger else []),
            ("--input", [self.payload] if self.payload else []),
            ("--set", self.state),
            ("--flows", self.flows),
            ("--allow", self.allow),
            ("--secret", self.secrets),
            ("--module", self.modules),
        ):
            for value in values or []:
                written += [name, value]
        return written


def taking(options: type[T], command: Callable[[T], None]) -> Callable[..., None]:
    """The command as typer wants it: a function with a keyword parameter for each field of `options`."""
    hints = get_type_hints(options, include_extras=True)

    def call(**given: Any) -> None:
        command(options(**given))

    call.__name__ = command.__name__
    call.__doc__ = command.__doc__
    call.__annotations__ = hints
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(each, hints[each.name]) for each in fields(options)]  # type: ignore[arg-type]
    )
    return call


def listing(options: type[T], command: Callable[[T], None]) -> Callable[..., None]:
    """What a group of commands does when none of its subcommands is named."""
    call = taking(options, command)

    def whole(context: typer.Context, **given: Any) -> None:
        if context.invoked_subcommand is None:
            call(**given)
        elif any(_is_given(context, name) for name in given):
            name = context.invoked_subcommand
            raise Refusal(
                f"options go behind {name!r}", hint=f"{context.command_path} {name} --help lists them"
            )

    whole.__name__ = call.__name__
    whole.__doc__ = call.__doc__
    whole.__annotations__ = {"context": typer.Context, **call.__annotations__}
    first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    rest = inspect.signature(call).parameters.values()
    whole.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]
    return whole


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(each: "Field[Any]", hint: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if each.default is MISSING else each.default
    return inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
