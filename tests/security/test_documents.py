"""The bar "Untrusted documents": whatever is sent, reading, validating, compiling and drawing stay within bounds."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .documents import ALL

ROOT = Path(__file__).parents[2]
SECONDS = 2
MEGABYTES = 128
STAGES_OF_A_DRAWING = ("read", "validated", "compiled", "drawn")
STAGES_OF_A_VALIDATION = ("read", "validated", "advised")

# What takes too long elsewhere, until it no longer does.
REFUSED = {
    "40,000 steps": "TOO_MANY",
    "16 MiB of text": "VALUE_TOO_LARGE",
    "32 MiB of text": "VALUE_TOO_LARGE",
    "a million keys": "VALUE_TOO_LARGE",
    "a bomb of brackets": "VALUE_TOO_LARGE",
    "a bomb of objects": "VALUE_TOO_LARGE",
    "a long key over many values": "KEY_TOO_LONG",
    "200,000 references": "TOO_MANY_TEMPLATES",
    "200,000 expressions": "TOO_MANY_TEMPLATES",
    "long sums": "TOO_MANY_TEMPLATES",
    "templates hidden in bodies": "TOO_MANY_TEMPLATES",
    "steps hidden in bodies": "TOO_MANY",
    "10,000 bodies": "TOO_MANY",
    "nested loops": "LOOPS_TOO_DEEP",
    "overlapping loops": "LOOPS_TOO_DEEP",
    "every step leads back": "LOOPS_TOO_DEEP",
    "loops hidden in bodies": "LOOPS_TOO_DEEP",
    "3,000 loops in a row": "TOO_MANY",
    "bodies sixteen deep": "TOO_DEEP",
    "regular expressions": "TOO_MANY_PATTERNS",
    "10,000 cron expressions": "TOO_MANY",
    "cron expressions in bodies": "TOO_MANY",
    "unknown fields in plenty": "TOO_MANY",
    "unknown types": "TOO_MANY_FAULTS",
    "types that are modules": "UNKNOWN_TYPE",
}
DRAWN = (
    "10,000 steps with a reference each",
    "10,000 requests",
    "as many references as are allowed",
    "as many expressions as are allowed",
    "as many edges as are allowed",
    "conditionals in a row",
    "one large loop",
    "bodies eight deep",
    "catastrophic patterns",
    "names that Python has",
    "a flow that runs itself",
    "8 MiB of text",
    "8 MiB of text and a template",
    "8 MiB of wide text",
)

Measured = Mapping[str, Any]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measured]:
    """What each document took, in a process of its own whose processor time the kernel limits."""
    folder = tmp_path_factory.mktemp("documents")
    paths = []
    for name, make in ALL.items():
        path = folder / f"{name}.json"
        path.write_bytes(make().encode())
        paths.append(str(path))
    child = subprocess.run(  # noqa: S603 (our own interpreter and program)
        [sys.executable, str(Path(__file__).with_name("child.py")), *paths],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.returncode == 0, child.stderr[-2_000:]
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("name", ALL)
def test_no_document_takes_over_two_seconds_or_128_mb(name: str, measured: dict[str, Measured]) -> None:
    found = measured[name]
    done = found.get("done", {})
    seconds = [
        sum(done.get(stage, 0) for stage in stages)
        for stages in (STAGES_OF_A_DRAWING, STAGES_OF_A_VALIDATION)
    ]
    seconds = [each + found.get("rest", 0) for each in seconds]
    assert "ended" not in found, f"ended by signal {found['ended']}"
    assert max(seconds) < SECONDS
    assert found["megabytes"] < MEGABYTES


@pytest.mark.parametrize("name", ALL)
def test_no_document_causes_an_import(name: str, measured: dict[str, Measured]) -> None:
    imported = [
        module
        for module in measured[name].get("imported", [])
        # What Python loads when it first needs a codec, or the list of time zones: never by a document's name.
        if not module.startswith(("encodings.", "stringprep", "importlib.")) and module != "tzdata"
    ]
    assert imported == []


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_what_is_too_much_is_refused_by_a_code_that_says_so(
    name: str, code: str, measured: dict[str, Measured]
) -> None:
    assert code in measured[name]["codes"]
    assert "compiled" not in measured[name]["done"]


@pytest.mark.parametrize("name", DRAWN)
def test_large_but_ordinary_documents_are_compiled_and_drawn(
    name: str, measured: dict[str, Measured]
) -> None:
    assert "drawn" in measured[name]["done"]


def test_no_document_is_told_of_without_end(measured: dict[str, Measured]) -> None:
    assert all(found.get("faults", 0) <= 501 for found in measured.values())
    assert all(found.get("told", 0) < 2_000_000 for found in measured.values())
