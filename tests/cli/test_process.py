"""The command as a process: signals, a reader that goes away, a terminal, and what is imported."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.given import await_line, environment, flow, keep, process, write

SECONDS = 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run_and_its_steps_marked_always_still_run(number: signal.Signals) -> None:
    with process("run", "wait.json") as running:
        await_line(running, "waiting until")
        running.send_signal(number)
        rest, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert "tidy   completed" in rest
    assert "■ cancelled in" in rest
    assert "Traceback" not in errors


def test_a_second_signal_stops_a_step_that_blocks_the_loop(folder: Path) -> None:
    (folder / "stuck.py").write_text(
        "import time\n"
        "from openrun import Flow, TriggerManual, step\n"
        "@step\n"
        "async def block():\n"
        "    print('blocking', flush=True)\n"
        "    time.sleep(600)\n"
        "flow = Flow('Stuck').add(TriggerManual(id='t') >> block(id='b'))\n"
    )
    with process("run", "stuck:flow") as running:
        await_line(running, "blocking")
        running.send_signal(signal.SIGINT)
        # Of another kind, for two of one kind may arrive as one.
        running.send_signal(signal.SIGTERM)
        _rest, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert "stopped at once" in errors


def test_a_step_that_ignores_being_cancelled_does_not_keep_the_process(folder: Path) -> None:
    (folder / "stubborn.py").write_text(
        "import asyncio\n"
        "from openrun import Flow, TriggerManual, step\n"
        "@step\n"
        "async def stay():\n"
        "    asyncio.get_running_loop().call_soon(print, 'staying')\n"
        "    while True:\n"
        "        try:\n"
        "            await asyncio.sleep(600)\n"
        "        except asyncio.CancelledError:\n"
        "            pass\n"
        "flow = Flow('Stubborn').add(TriggerManual(id='t') >> stay(id='s'))\n"
    )
    with process("run", "stubborn:flow") as running:
        await_line(running, "s    started")
        running.send_signal(signal.SIGINT)
        rest, _errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert "■ cancelled in" in rest


def test_a_signal_in_json_mode_ends_the_stream_with_the_end_of_the_run() -> None:
    with process("run", "wait.json", "--json") as running:
        await_line(running, '"type":"StepWaiting"')
        running.send_signal(signal.SIGINT)
        rest, _errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert '"status":"cancelled"' in rest.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments", [["run", "loop.json"], ["run", "loop.json", "--json"], ["steps", "--json"]]
)
def test_a_reader_that_goes_away_is_met_with_silence(arguments: list[str]) -> None:
    with process(*arguments) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr is not None
        errors = running.stderr.read()
        running.wait(SECONDS)
    assert errors == ""
    assert running.returncode in (0, 1)


def test_a_run_nobody_watches_any_more_is_cancelled_and_tidied_up(folder: Path) -> None:
    (folder / "noisy.py").write_text(
        "import pathlib\n"
        "from openrun import Flow, StepContext, TriggerManual, step\n"
        "import asyncio\n"
        "@step\n"
        "async def talk(context: StepContext):\n"
        "    while True:\n"
        "        context.emit('x' * 60_000)\n"
        "        await asyncio.sleep(0.001)\n"
        "@step\n"
        "async def tidy():\n"
        "    pathlib.Path('tidied').touch()\n"
        "flow = Flow('Noisy').add(TriggerManual(id='t') >> talk(id='a') >> tidy(id='b', always=True))\n"
    )
    with process("run", "noisy:flow", "--json") as running:
        await_line(running, "StepProgress")
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == ""
        assert running.wait(SECONDS) == 1
    assert (folder / "tidied").exists()


def test_python_m_and_the_script_are_one_command() -> None:
    script = Path(sys.executable).with_name("openrun")
    for command in ([sys.executable, "-m", "openrun"], [str(script)]):
        done = subprocess.run(  # noqa: S603
            [*command, "version"], capture_output=True, text=True, env=environment(), check=True
        )
        assert done.stdout.startswith("openrun ")


def test_an_output_that_cannot_be_written_is_an_error_in_words() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "openrun", "run", "greet.json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "error: No space left on device\n"


def test_checking_and_drawing_a_document_imports_nothing_it_names(folder: Path) -> None:
    (folder / "trap.py").write_text("raise SystemExit('imported')\n")
    document = flow("Trap", [{"id": "x", "type": "trap"}, {"id": "y", "type": "trap:x"}], [])
    write(folder / "trap.json", document)
    for command in ("validate", "graph", "run"):
        done = process(command, "trap.json")
        _out, errors = done.communicate(timeout=SECONDS)
        assert done.returncode == 2
        assert "SystemExit" not in errors


# -- on a terminal --------------------------------------------------------------------------------


class Terminal:
    """The command on a pseudo-terminal of 100 columns and 20 rows."""

    def __init__(self, *arguments: str) -> None:
        self.shown = ""
        pid, self._fd = pty.fork()
        if pid == 0:
            os.environ.update({**environment(), "TERM": "xterm", "LINES": "20"})
            os.execv(sys.executable, [sys.executable, "-m", "openrun", *arguments])  # noqa: S606
        self.pid = pid

    def until(self, words: str) -> str:
        """Everything shown so far, once these words are among it."""
        while words not in plain(self.shown):
            assert self._read(), f"the terminal ended without {words!r}:\n{plain(self.shown)}"
        return plain(self.shown)

    def press(self, key: bytes) -> None:
        os.write(self._fd, key)

    def exit_code(self) -> int:
        while self._read():
            pass
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._fd], [], [], SECONDS)
        assert ready, f"nothing more was shown:\n{plain(self.shown)}"
        try:
            found = os.read(self._fd, 65_536)
        except OSError:
            return False
        self.shown += found.decode(errors="replace")
        return bool(found)


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_the_live_view_shows_what_waits_and_ctrl_c_cancels() -> None:
    terminal = Terminal("run", "wait.json")
    terminal.until("until")
    terminal.press(b"\x03")
    shown = terminal.until("cancelled in")
    assert terminal.exit_code() == 1
    assert re.search(r"◷ +nap +\d\.\ds +until \d\d:\d\d:\d\d \(in ", shown)
    assert re.search(r"✓ +tidy +\d+ms +→ default", shown)
    assert terminal.shown.count("\x1b[?25l") == terminal.shown.count("\x1b[?25h") == 1


def test_the_live_view_stays_bounded_over_thousands_of_activations() -> None:
    terminal = Terminal("run", "loop.json")
    shown = terminal.until("succeeded in")
    assert terminal.exit_code() == 0
    assert "1,500 done" in shown
    assert len(terminal.shown) < 200_000


def test_the_live_view_of_many_steps_is_no_taller_than_the_terminal(folder: Path) -> None:
    steps = [keep(f"s{at}") for at in range(100)]
    edges = [{"source": "start", "target": f"s{at}"} for at in range(100)]
    write(folder / "wide.json", flow("Wide", steps, edges))
    terminal = Terminal("run", "wide.json")
    shown = terminal.until("succeeded in")
    assert terminal.exit_code() == 0
    assert "more steps" in shown
    assert shown.rpartition("succeeded")[0].rpartition("Wide")[2].count("\n") <= 20


def test_hostile_names_and_errors_stay_harmless_in_the_live_view(folder: Path) -> None:
    boom = {"id": "boom", "type": "fail", "config": {"message": "\x1b]0;owned\x07 [bold]b[/bold]"}}
    document = flow("\x1b[31mred[/red]", [boom], [{"source": "start", "target": "boom"}])
    write(folder / "evil.json", document)
    terminal = Terminal("run", "evil.json")
    shown = terminal.until("failed in")
    assert terminal.exit_code() == 1
    assert "\x1b]0;" not in terminal.shown
    assert "\x1b[31mred" not in terminal.shown
    assert "[bold]b[/bold]" in shown
