"""What a server is started with: all that can be read, checked and refused before it begins."""

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote

from openrun.app import App
from openrun.cli.collection import Collection
from openrun.cli.modules import catalog_with
from openrun.cli.refusal import Refusal
from openrun.cli.secret import files_in, read_folder, read_secrets, read_value
from openrun.cli.serve_options import ServeCommand
from openrun.net.address import AllowList
from openrun.runtime.observer import Observer
from openrun.runtime.secrets import Redactor
from openrun.runtime.worker import WorkerOptions
from openrun.server.config import ServerConfig
from openrun.store.opening import open_store
from openrun.telemetry.opening import otlp_provider
from openrun.telemetry.tracing import Tracing

SHORTEST_KEY = 32
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a server needs, read and checked."""

    options: ServeCommand
    config: ServerConfig
    collection: Collection
    secrets: Mapping[str, str] = field(repr=False)
    admin_key: str | None = field(repr=False)
    places: Mapping[str, str]
    """What stands for a secret in a shell, by its name."""
    tracing: Tracing | None

    @classmethod
    def of(cls, options: ServeCommand) -> "Plan":
        """Raises `Refusal` for what is missing or cannot be."""
        require_free(options.host, options.port)
        secrets = _secrets(options)
        return cls(
            options=options,
            config=_config(options),
            collection=Collection.of(options.places, catalog_with(options.modules or ())),
            secrets=secrets,
            admin_key=_admin_key(options),
            places=_places(options),
            tracing=None if options.otlp is None else Tracing(otlp_provider(options.otlp)),
        )

    def app(self, *observers: Observer) -> App:
        """The engine, yet to be opened."""
        options = self.options
        try:
            AllowList.parse(options.allow or [])
        except ValueError as error:
            raise Refusal(f"--allow: {error}") from None
        return App(
            open_store(options.store),
            catalog=self.collection.catalog,
            allow=options.allow or [],
            secrets=self.secrets,
            work=not options.no_worker,
            options=WorkerOptions(lease=options.lease, grace=options.grace, runs=options.runs),
            observers=observers if self.tracing is None else (*observers, self.tracing),
            bus=options.bus,
        )

    def redactor(self) -> Redactor:
        """Takes what is secret out of what is logged."""
        return Redactor({**self.secrets, "admin key": self.admin_key or ""})


def require_free(host: str, port: int) -> None:
    """Raises `Refusal` for a place that cannot be listened at, before anything else is touched."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise not_free(host, port, error) from None


def not_free(host: str, port: int, error: OSError) -> Refusal:
    """What to say when a place cannot be listened at."""
    if error.errno == errno.EADDRINUSE:
        return Refusal(
            f"port {port} of {host} is in use", hint="--port names another one; --port 0 takes a free one"
        )
    return Refusal(f"cannot listen at {host}, port {port}: {error.strerror or error}")


def _config(options: ServeCommand) -> ServerConfig:
    return ServerConfig(
        host=options.host,
        port=options.port,
        hosts=frozenset(name.lower() for name in options.allow_host or ()),
        origins=frozenset(origin.removesuffix("/") for origin in options.allow_origin or ()),
        proxies=frozenset(options.proxy or ()),
        max_body=options.max_body,
        grace=options.grace,
    )


def _secrets(options: ServeCommand) -> dict[str, str]:
    secrets = read_secrets(options.secrets or ())
    found = {} if options.secrets_dir is None else read_folder(options.secrets_dir)
    twice = sorted(secrets.keys() & found.keys())
    if twice:
        raise Refusal(f"secret {twice[0]!r} is in --secrets-dir, and given with --secret")
    return secrets | found


def _admin_key(options: ServeCommand) -> str | None:
    if options.admin_key is None:
        return None
    key = read_value("--admin-key", options.admin_key)
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refusal(
            f"--admin-key: a key has {SHORTEST_KEY} to {LONGEST_KEY} characters of printable ASCII",
            hint="`openssl rand -hex 32` makes one that nobody guesses",
        )
    return key


def _places(options: ServeCommand) -> dict[str, str]:
    places: dict[str, str] = {}
    for each in options.secrets or ():
        name, _, source = each.partition("=")
        kind, _, place = source.partition(":")
        places[name] = f"${place}" if kind == "env" else f"$(cat {quote(place)})"
    if options.secrets_dir is not None:
        for name, path in files_in(options.secrets_dir).items():
            places[name] = f"$(cat {quote(str(path))})"
    return places
