"""Runs hostile documents through everything that happens before a run; measures processor time and memory.

Started as a process of its own: `python child.py document.json …`. Prints a line of JSON for each. Time is limited
by the kernel, so that a document that holds its process ends it.
"""

import json
import os
import re
import resource
import sys
from pathlib import Path
from typing import Any

from openrun import Flow, InvalidFlow, ValidationError, validate_flow
from openrun.cli.mermaid import mermaid
from openrun.cli.rails import draw as rails
from openrun.cli.sketch import sketch_of

CPU_SECONDS = int(os.environ.get("CPU_SECONDS", "3"))


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(word: str) -> int:
    """KiB of memory: VmRSS is what there is now, VmHWM the most since it was last reset."""
    found = re.search(rf"^{word}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def everything(text: bytes) -> dict[str, Any]:
    """Read, validate, compile, advise and draw: the seconds of each stage, and the codes of all faults."""
    done: dict[str, float] = {}
    faults: list[ValidationError] = []
    told = 0
    begun = cpu()

    def after(stage: str) -> None:
        done[stage] = round(cpu() - begun - sum(done.values()), 3)

    try:
        flow = Flow.from_json(text)
        after("read")
        faults += validate_flow(flow)
        after("validated")
        flow.program()
        after("compiled")
        flow.warnings()
        after("advised")
        draw(flow)
        after("drawn")
    except InvalidFlow as error:
        faults = [*error.errors]
        told = len(str(error))
    rest = cpu() - begun - sum(done.values())
    return {
        "done": done,
        "rest": round(rest, 3),
        "codes": sorted({fault.code for fault in faults}),
        "faults": len(faults),
        "told": told,
    }


def draw(flow: Flow) -> None:
    """As `openrun graph` does, in both formats."""
    picture = sketch_of(flow.program(), flow.catalog)
    mermaid(picture)
    for _ in rails(picture):
        pass


def measured(path: str) -> dict[str, Any]:
    """What one document took."""
    text = Path(path).read_bytes()
    modules = set(sys.modules)
    Path("/proc/self/clear_refs").write_text("5")
    memory_before, cpu_before = memory("VmRSS"), cpu()
    found = everything(text)
    return {
        **found,
        "seconds": round(cpu() - cpu_before, 3),
        "megabytes": (memory("VmHWM") - memory_before) // 1024,
        "imported": sorted(set(sys.modules) - modules),
    }


def main(paths: list[str]) -> None:
    """Each document in a fork of this process, so that all begin alike and none can end the others."""
    for path in paths:
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            found = measured(path)
            sys.stdout.write(json.dumps({"name": Path(path).stem, **found}) + "\n")
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            sys.stdout.write(json.dumps({"name": Path(path).stem, "ended": status}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
