"""--secret: values from the environment or a file, which nothing that is printed ever shows."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Invoke
from tests.cli.given import edge, flow, process, reply, write
from tests.cli.test_process import SECONDS, Terminal

CANARY = "canary-7f3a91"


class Echo:
    """A server that answers with the Authorization header it got, and a status by the path."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.headers.get("Authorization", ""))
                body = json.dumps({"you": seen[-1], seen[-1]: 1}).encode()
                self.send_response(int(self.path.split("?")[0].strip("/")))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-You", seen[-1])
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", CANARY)


def asking(echo: Echo, status: int) -> dict[str, Any]:
    """A flow that sends the secret, and puts into its output whatever comes back."""
    fetch = {
        "id": "fetch",
        "type": "request",
        "config": {
            "url": f"http://{echo.target}/{status}?key=<<secrets.token>>",
            "auth": {"bearer": "<<secrets.token>>"},
        },
    }
    return flow("Ask", [fetch, reply("r", "<<response>>")], [edge("start", "fetch"), edge("fetch", "r")])


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize("words", [["run"], ["run", "--json"], ["explain"], ["explain", "--json"]])
def test_a_secret_is_sent_and_nowhere_printed_even_when_it_is_sent_back(
    folder: Path, echo: Echo, words: list[str], status: int
) -> None:
    write(folder / "ask.json", asking(echo, status))
    step = ["r"] if words[0] == "explain" else []
    done = process(*words, "ask.json", *step, "--allow", echo.target, "--secret", "token=env:API_TOKEN")
    out, errors = done.communicate(timeout=SECONDS)
    assert echo.seen == [f"Bearer {CANARY}"]
    assert done.returncode == (0 if status == 200 or words[0] == "explain" else 1), errors
    assert CANARY not in out + errors
    if words[0] == "run" and status == 200:
        assert "***" in out


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("status", [200, 403])
def test_the_live_view_shows_no_secret(folder: Path, echo: Echo, status: int) -> None:
    write(folder / "ask.json", asking(echo, status))
    terminal = Terminal("run", "ask.json", "--allow", echo.target, "--secret", "token=env:API_TOKEN")
    terminal.until(" in ")
    terminal.exit_code()
    assert echo.seen == [f"Bearer {CANARY}"]
    assert CANARY not in terminal.shown


@pytest.mark.usefixtures("token")
def test_the_hint_to_explain_names_the_variable_and_not_its_value(invoke: Invoke, folder: Path) -> None:
    boom = {"id": "boom", "type": "fail", "config": {"message": f"it is {CANARY}"}}
    write(folder / "f.json", flow("F", [boom], [edge("start", "boom")]))
    shown = invoke("run", "f.json", "--secret", "token=env:API_TOKEN").output
    assert "--secret token=env:API_TOKEN f.json boom" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("text", [CANARY, f"{CANARY}\n", f"{CANARY}\r\n"])
def test_a_secret_of_a_file_comes_without_the_newline_at_its_end(
    invoke: Invoke, folder: Path, echo: Echo, text: str
) -> None:
    write(folder / "ask.json", asking(echo, 200))
    (folder / "token.txt").write_bytes(text.encode())
    result = invoke("run", "ask.json", "--allow", echo.target, "--secret", "token=file:token.txt")
    assert (result.exit_code, echo.seen) == (0, [f"Bearer {CANARY}"])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["token=env:NOT_THERE"], "there is no environment variable 'NOT_THERE'"),
        (["token=file:gone.txt"], "there is no file 'gone.txt'"),
        (["token=file:."], "file '.' cannot be read"),
        (["token=file:empty.txt"], "is empty"),
        (["token=file:binary.txt"], "is not text in UTF-8"),
        (["token=file:large.txt"], "is larger than"),
        (["token=env:API_TOKEN", "token=env:API_TOKEN"], "'token' is given twice"),
        ([f"token={CANARY}"], "takes where a value is found"),
        ([f"token=literal:{CANARY}"], "takes where a value is found"),
        ([CANARY], "takes where a value is found"),
        (["=env:API_TOKEN"], "takes where a value is found"),
        (["token=env:"], "takes where a value is found"),
    ],
)
@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("words", [["run", "greet.json"], ["explain", "greet.json", "start"]])
def test_a_secret_that_cannot_be_read_ends_the_command_with_2(
    invoke: Invoke, folder: Path, words: list[str], given: list[str], fault: str
) -> None:
    (folder / "empty.txt").write_text("\n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe")
    (folder / "large.txt").write_text("x" * 70_000)
    result = invoke(*words, *(part for each in given for part in ("--secret", each)))
    assert (result.exit_code, result.stdout) == (2, "")
    assert fault in result.stderr
    assert CANARY not in result.stderr
