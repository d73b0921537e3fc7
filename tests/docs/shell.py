"""The shell of a page: bash, and the server that the page starts.

A block that ends with `openrun serve` starts the server, for real and on a free port; from then on every ```bash block
is one script for bash. In scripts, the address that pages show becomes the server's, and `or_…` the key that it has
printed. What a block with `openrun serve` exports is there for the blocks that follow.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading

from tests.docs.blocks import ROOT, SECONDS, Block

SHOWN = "http://127.0.0.1:8600"
"""The address that pages show: that of a server that is told nothing else."""

_SERVE = re.compile(r"^openrun serve\b(?:.*\\\n)*.*$", re.MULTILINE)
_ADDRESS = re.compile(r" at (http://\S+)$", re.MULTILINE)
_KEY = re.compile(r"^ +(or_\S+)$", re.MULTILINE)
_BEGIN = """set -euo pipefail
openrun() { "$PYTHON" -m openrun "$@"; }
python() { "$PYTHON" "$@"; }
"""


def starts_server(block: Block) -> bool:
    """Whether this block is about a server that runs from here on."""
    return block.language == "bash" and _SERVE.search(block.text) is not None


class Shell:
    """Runs the blocks of one page; `close` ends its server."""

    def __init__(self) -> None:
        self._exports = ""
        self._server: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `close`)
        self._url = SHOWN
        self._key = "or_"

    @property
    def serving(self) -> bool:
        return self._server is not None

    def serve(self, block: Block) -> str:
        """Start the server, in place of one that runs; what it says."""
        self.stop()
        (command,) = _SERVE.findall(block.text)
        before = block.text.partition(command)[0]
        self._exports += _exports_in(before)
        self._server = subprocess.Popen(  # noqa: S603 (our own pages)
            ["bash", "-c", f'{_BEGIN}{before}\nexec "$PYTHON" -m {command} --port 0'],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=self._log,
            encoding="utf-8",
            env=self._environment(),
        )
        said = self._first_lines(block)
        self._url = _ADDRESS.findall(said)[0]
        self._key = (*_KEY.findall(said), self._key)[0]
        return said.replace(self._url, SHOWN)

    def run(self, block: Block) -> str:
        """What a script prints."""
        text = block.text.replace(SHOWN, self._url).replace("or_…", self._key)
        done = subprocess.run(  # noqa: S603 (our own pages)
            ["bash", "-c", _BEGIN + self._exports + text],  # noqa: S607
            capture_output=True,
            encoding="utf-8",
            env=self._environment(),
            timeout=SECONDS,
            check=False,
        )
        self._exports += _exports_in(text)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}{self._logged()}"
        return done.stdout.replace(self._url, SHOWN).replace("\r", "")

    def close(self) -> None:
        """End the server the hard way, if it is still there."""
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
        self._log.close()

    def stop(self) -> None:
        """End the server as an operator does."""
        if self._server is not None:
            self._server.terminate()
            self._server.communicate(timeout=SECONDS)
            assert self._server.returncode == 0, self._logged()
            self._server = None

    def _first_lines(self, block: Block) -> str:
        assert self._server is not None
        assert self._server.stdout is not None
        said = ""
        # A server that says nothing more has its output ended by this.
        patience = threading.Timer(SECONDS, self._server.kill)
        patience.start()
        try:
            for line in self._server.stdout:
                said += line
                if line.startswith("stop "):
                    return said
        finally:
            patience.cancel()
            patience.join()
        raise AssertionError(f"{block}: the server has not started\n{said}{self._logged()}")

    def _logged(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def _environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
        return {**os.environ, **own, "PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}


def _exports_in(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if line.startswith("export "))
