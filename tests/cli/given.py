"""The flows that the tests run, and the command as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START = {"id": "start", "type": "trigger_manual"}


def edge(source: str, target: str, port: str = "default") -> dict[str, str]:
    return {"source": source, "source_port": port, "target": target}


def keep(step_id: str, value: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "set_state", "config": {"key": step_id, "value": value}, **more}


def reply(step_id: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "reply", "config": {"body": body}, **more}


def flow(name: str, steps: list[dict[str, Any]], edges: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {"name": name, "steps": [START, *steps], "edges": edges, **more}


FLOWS: dict[str, dict[str, Any]] = {
    "greet": flow(
        "Greet",
        [
            {
                "id": "known",
                "type": "conditional",
                "config": {"left": "<<body.name?>>", "operator": "exists"},
            },
            reply("hello", "Hello <<body.name>>"),
            reply("stranger", {"who": "are you?"}),
        ],
        [edge("start", "known"), edge("known", "hello", "true"), edge("known", "stranger", "false")],
    ),
    "broken": flow(
        "Broken",
        [
            {"id": "boom", "type": "fail", "config": {"message": "no luck", "code": "NO_LUCK"}},
            keep("after"),
            keep("tidy", always=True),
        ],
        [edge("start", "boom"), edge("boom", "after"), edge("after", "tidy")],
    ),
    "wait": flow(
        "Wait",
        [{"id": "nap", "type": "delay", "config": {"seconds": 60}}, keep("tidy", always=True)],
        [edge("start", "nap"), edge("nap", "tidy")],
    ),
    "loop": flow(
        "Loop",
        [
            keep("n", "{{ (n or 0) + 1 }}", max_iterations=5000),
            {
                "id": "more",
                "type": "conditional",
                "config": {"left": "<<n>>", "operator": "less_than", "right": 1500},
            },
            reply("end", "<<n>>"),
        ],
        [edge("start", "n"), edge("n", "more"), edge("more", "n", "true"), edge("more", "end", "false")],
    ),
    "each": flow(
        "Each",
        [
            {
                "id": "all",
                "type": "foreach",
                "config": {
                    "items": "<<body.items>>",
                    "body": {"steps": [keep("one", "<<item>>")], "edges": []},
                },
            }
        ],
        [edge("start", "all")],
    ),
    "parent": flow(
        "Parent",
        [{"id": "call", "type": "subflow", "config": {"flow": "greet", "input": {"name": "<<name>>"}}}],
        [edge("start", "call")],
    ),
}


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def process(*arguments: str, **more: Any) -> "subprocess.Popen[str]":
    """The command as a process of its own, in the current directory, its output read line by line."""
    return subprocess.Popen(  # noqa: S603 (our own command)
        [sys.executable, "-m", "openrun", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=environment(),
        **more,
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}


def await_line(running: "subprocess.Popen[str]", words: str) -> str:
    """The first line of the output with these words."""
    assert running.stdout is not None
    for line in running.stdout:
        if words in line:
            return line
    raise AssertionError(f"the output ended without {words!r}")
