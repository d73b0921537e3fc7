"""The house keeps its shape: small files, short functions, no import circles, no hidden ports to the world."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "openrun"
FILES = sorted(PACKAGE.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT)}:{node.name}", node


def length(node: Function) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def test_functions_fit_in_a_glance() -> None:
    lengths = {name: length(node) for name, node in functions()}
    values = [size for size in lengths.values() if size]
    assert statistics.median(values) <= 8
    assert percentile(values, 0.95) <= 35
    assert [name for name, size in lengths.items() if size > 60] == []


def test_files_hold_one_noun() -> None:
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert percentile(list(sizes.values()), 0.9) <= 370
    assert [name for name, size in sizes.items() if size > 500] == []


def test_ladders_are_short() -> None:
    def rungs(node: ast.If) -> int:
        count = 1
        while len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            node, count = node.orelse[0], count + 1
        return count

    ladders = {
        f"{path.relative_to(ROOT)}:{node.lineno}": rungs(node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.If)
    }
    # A nested `elif` is counted from each of its rungs; only whole ladders reach the limit.
    assert [place for place, count in ladders.items() if count > 4] == []


def test_functions_take_few_parameters() -> None:
    def count(node: Function) -> int:
        names = [*node.args.posonlyargs, *node.args.args]
        own = [each for each in names if each.arg not in ("self", "cls")]
        return len(own)

    assert [name for name, node in functions() if count(node) > 7] == []


def test_no_module_imports_in_a_circle() -> None:
    graph = grimp.build_graph("openrun", cache_dir=None)
    assert [each for each in sorted(graph.modules) if each in graph.find_downstream_modules(each)] == []


@pytest.mark.parametrize("hidden", ["TYPE_CHECKING", "importlib.import_module"])
def test_no_import_is_hidden(hidden: str) -> None:
    """Modules are imported by name where the operator names them, and nowhere else."""
    named_by_the_operator = {"catalog.py", "modules.py", "opening.py", "source.py"}
    assert [p.name for p in FILES if hidden in p.read_text() and p.name not in named_by_the_operator] == []


def test_no_function_imports() -> None:
    lazy = [
        name
        for name, node in functions()
        if any(isinstance(each, ast.Import | ast.ImportFrom) for each in ast.walk(node))
    ]
    assert lazy == []


WORLD = re.compile(
    r"time\.(time|monotonic|time_ns|sleep|perf_counter)|datetime\.(now|utcnow)|uuid\d|uuid\.uuid\d|random\.\w+|os\.environ.*"
)
PORTS = {"runtime/clock.py", "runtime/ids.py"}


def test_the_world_is_reached_through_the_ports_only() -> None:
    calls = {
        (str(path.relative_to(PACKAGE)), ast.unparse(node.func))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert {
        f"{place}: {call}"
        for place, call in calls
        if WORLD.fullmatch(call) and place not in PORTS and not place.startswith("cli/")
    } == set()


def test_the_rooms_people_extend_stand_at_the_root() -> None:
    for room in ("steps", "triggers", "schemas"):
        assert (ROOT / room).is_symlink()
        assert (ROOT / room).resolve() == PACKAGE / room
