"""`openrun serve` as a process, and calls to it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.given import environment, write

SECONDS = 30


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, read whole."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Served:
    """A server that has said where it is."""

    def __init__(self, running: "subprocess.Popen[str]", said: str) -> None:
        self.running = running
        self.said = said
        """What it said until then."""
        self.url = re.findall(r" at (http://\S+)$", said, re.MULTILINE)[0]
        keys = re.findall(r"^ +(or_\S+)$", said, re.MULTILINE)
        self.key: str | None = keys[0] if keys else None

    def curl_lines(self) -> list[str]:
        """The lines that call webhooks, as they are printed."""
        return re.findall(r"^  (\S.*curl .*|curl .*)$", self.said, re.MULTILINE)

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Got:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data, sent, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return Got(answer.status, answer.read().decode())
        except urllib.error.HTTPError as refused:
            with refused:
                return Got(refused.code, refused.read().decode())

    def lines_until(self, words: str) -> str:
        """What it says on stdout, up to the first line with these words."""
        return lines_until(self.running, words)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.running.terminate()
        return self.running.wait(SECONDS)


def lines_until(running: "subprocess.Popen[str]", words: str) -> str:
    assert running.stdout is not None
    said = ""
    for line in running.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"the output ended without {words!r}:\n{said}")


@contextlib.contextmanager
def served(
    *arguments: str, errors: Path | int = Path("errors.txt"), env: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """The server on a free port; `errors` takes its stderr. It is stopped in the end, whatever happens."""
    port = () if "--port" in arguments else ("--port", "0")
    with contextlib.ExitStack() as stack:
        stderr = errors if isinstance(errors, int) else stack.enter_context(errors.open("a"))
        running = subprocess.Popen(  # noqa: S603 (our own command)
            [sys.executable, "-m", "openrun", "serve", *arguments, *port],
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
            env={**environment(), "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        stack.enter_context(running)
        stack.callback(kill, running)
        yield Served(running, lines_until(running, "Ctrl-C"))


def kill(running: "subprocess.Popen[str]") -> None:
    if running.poll() is None:
        running.kill()


def hook(
    path: str = "/greet/{name}", flow_id: str = "hello", status: int = 201, **config: Any
) -> dict[str, Any]:
    """A webhook, and a reply that greets by name."""
    return {
        "id": flow_id,
        "name": flow_id.title(),
        "steps": [
            {"id": "hook", "type": "trigger_webhook", "config": {"path": path, "mode": "respond", **config}},
            {
                "id": "say",
                "type": "reply",
                "config": {"status": status, "body": {"hello": "<<path.name ?? null>>"}},
            },
        ],
        "edges": [{"source": "hook", "target": "say"}],
    }


def put(folder: str, *flows: Mapping[str, Any]) -> Path:
    """A folder with these flows, each in a file named like it."""
    place = Path(folder)
    place.mkdir(exist_ok=True)
    for each in flows:
        write(place / f"{each['id']}.json", each)
    return place


def swap(path: Path, text: str) -> None:
    """Save a file as editors do: whole, in place of the old one."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)  # noqa: PTH105
