"""What `openrun serve` takes."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from openrun.cli.options import ModuleNames, PrivateTargets, SecretSources
from openrun.cli.store_options import DEFAULT_STORE, BusPlace, StorePlace
from openrun.runtime.worker import WorkerOptions
from openrun.server.config import ServerConfig


class LogFormat(StrEnum):
    """How log lines are written."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least that log lines have to say."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeCommand:
    """What is served, where, and how."""

    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FLOWS...]",
            help="JSON and Python files, folders of them, or module:name. What the store has is served as well.",
        ),
    ] = None
    store: StorePlace = DEFAULT_STORE
    bus: BusPlace = None
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen at.")] = ServerConfig().host
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="Port to listen at; 0 takes a free one.")
    ] = ServerConfig().port
    flows: Annotated[
        list[str] | None,
        typer.Option("--flows", metavar="PATH", help="The same as FLOWS; repeatable."),
    ] = None
    modules: ModuleNames = None
    allow: PrivateTargets = None
    secrets: SecretSources = None
    secrets_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with a file for each secret, named like the secret."),
    ] = None
    admin_key: Annotated[
        str | None,
        typer.Option(
            metavar="env:VARIABLE|file:PATH",
            help="Where an admin's key of your choice is found, 32 characters or more.",
        ),
    ] = None
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name that the API may be called by; repeatable."),
    ] = None
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a proxy in front: what one address may have does not hold for it; repeatable.",
        ),
    ] = None
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin whose pages may change something, such as https://ops.example; repeatable.",
        ),
    ] = None
    max_body: Annotated[
        int, typer.Option(metavar="BYTES", min=1, help="Largest body of a webhook or a call.")
    ] = ServerConfig().max_body
    no_worker: Annotated[
        bool,
        typer.Option("--no-worker", help="Take requests alone, and leave the runs to workers elsewhere."),
    ] = False
    lease: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How long others wait before they take over.")
    ] = WorkerOptions().lease
    grace: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="What requests and steps get when the server stops."),
    ] = WorkerOptions().grace
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Most runs in memory at once.")] = (
        WorkerOptions().runs
    )
    reload: Annotated[
        bool, typer.Option("--reload", help="Look at FLOWS again when they change; for development.")
    ] = False
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse to start with what `openrun doctor --strict` refuses.")
    ] = False
    log_format: Annotated[LogFormat, typer.Option(help="How log lines are written, on stderr.")] = (
        LogFormat.CONSOLE
    )
    log_level: Annotated[LogLevel, typer.Option(help="The least that log lines have to say.")] = LogLevel.INFO
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="Collector that traces are sent to, over HTTP.")
    ] = None

    @property
    def places(self) -> list[str]:
        """All that FLOWS and --flows name."""
        return [*(self.names or ()), *(self.flows or ())]
