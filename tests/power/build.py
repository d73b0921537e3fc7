"""Compiles the recorder, and says what environment a process needs to be recorded."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("recorder.c")
OPTIONS = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-U_FORTIFY_SOURCE", "-pthread")


class CannotRecord(Exception):
    """This machine cannot compile or preload the recorder."""


def build(directory: Path) -> Path:
    """The recorder as a shared library in this directory."""
    if sys.platform != "linux" or platform.architecture()[0] != "64bit":
        raise CannotRecord("power cuts are recorded on Linux on 64-bit machines only")
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotRecord("no C compiler: install one that is called 'cc' to test power cuts")
    library = directory / "recorder.so"
    done = subprocess.run(  # noqa: S603 (our own source)
        [compiler, *OPTIONS, "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{SOURCE.name} does not compile:\n{done.stderr}")
    return library


def environment(library: Path, directory: Path, log: Path) -> dict[str, str]:
    """Ours, with which a process and its children record into `log` what they do below `directory`."""
    others = os.environ.get("LD_PRELOAD", "")
    return {
        **os.environ,
        "LD_PRELOAD": f"{library}:{others}" if others else str(library),
        "OPENRUN_RECORD_DIR": str(directory),
        "OPENRUN_RECORD_LOG": str(log),
    }
