"""`openrun graph`: rails and Mermaid."""

import random
from pathlib import Path

import pytest

from openrun import Flow
from openrun.cli.mermaid import mermaid
from openrun.cli.rails import draw
from openrun.cli.sketch import Sketch, sketch_of
from tests.cli.conftest import Invoke
from tests.cli.given import FLOWS, edge, flow, keep, write


def sketch(document: object) -> Sketch:
    drawn = Flow.from_dict(document)  # type: ignore[arg-type]
    return sketch_of(drawn.program(), drawn.catalog)


DIAMOND = flow(
    "Diamond",
    [keep("a"), keep("b"), keep("join", join_mode="ALL_SUCCESS"), keep("late")],
    [
        edge("start", "a"),
        edge("start", "b"),
        edge("start", "late"),
        edge("a", "join"),
        edge("b", "join", "error"),
        edge("b", "join"),
    ],
)


def test_branches_run_beside_each_other_and_meet_at_the_join(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", DIAMOND)
    assert invoke("graph", "f.json").stdout.splitlines() == [
        "Diamond  (diamond)",
        "",
        "●      start  trigger_manual",
        "├─┬─╮",
        "○ │ │  a      set_state",
        "│ ○ │  b      set_state",
        "├─╯ │",
        "○   │  join   set_state       ← a, b.error, b  [ALL_SUCCESS]",
        "    ○  late   set_state",
    ]


def test_a_loop_is_drawn_once_and_its_way_back_is_told(invoke: Invoke) -> None:
    shown = invoke("graph", "loop.json").stdout
    assert "○  n      set_state       [loop, at most 5,000 rounds]" in shown
    assert "◇  more   conditional     true ↺ n" in shown
    assert "○  end    reply           ← more.false" in shown


def test_the_body_of_a_foreach_is_drawn_below(invoke: Invoke) -> None:
    assert "each item of all:\n  ○  one  set_state\n" in invoke("graph", "each.json").stdout


def test_lanes_cross_where_branches_interleave() -> None:
    document = flow(
        "Cross",
        [keep("a"), keep("b"), keep("c"), keep("x", join_mode="ALL_DONE"), keep("y", join_mode="ALL_DONE")],
        [
            edge("start", "a"),
            edge("start", "b"),
            edge("start", "c"),
            edge("a", "x"),
            edge("a", "y"),
            edge("b", "x"),
            edge("c", "x"),
            edge("c", "y"),
        ],
    )
    rails = [line.split("  ")[0].rstrip() for line in draw(sketch(document))]
    assert rails[:4] == ["●", "├─┬─╮", "○ │ │", "├─┼─┼─╮"]
    assert "├─┴─╯ │" in rails or "├─┴─┼─╯" in rails or any("┼" in line for line in rails[4:])


def test_a_flow_too_wide_for_rails_is_listed(folder: Path) -> None:
    steps = [keep(f"s{at}") for at in range(60)]
    document = flow(
        "Wide", steps, [edge("start", f"s{at}", "error" if at % 2 else "default") for at in range(60)]
    )
    lines = list(draw(sketch(document)))
    assert len(lines) == 61
    assert lines[0].startswith("●  start")
    assert lines[2] == "○  s1     set_state       ← start.error"


@pytest.mark.parametrize("seed", range(50))
def test_in_any_flow_every_step_is_drawn_once_below_all_that_lead_to_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    names = [f"s{at}" for at in range(chance.randint(1, 12))]
    edges = [edge("start", names[0])] + [
        edge(chance.choice(names), chance.choice(names), chance.choice(["default", "error"]))
        for _ in range(chance.randint(0, 18))
    ]
    drawn = sketch(flow("Any", [keep(name) for name in names], edges))
    lines = [line for line in draw(drawn) if not set(line) <= set("│├┬┴┼╮╯─ ")]
    assert len(lines) == len(drawn.nodes)
    place = {at: number for number, at in enumerate(drawn.order)}
    assert all(place[each.source] < place[each.target] for each in drawn.strokes if not each.again)
    assert mermaid(drawn).count("\n") == 1 + len(drawn.nodes) + len(drawn.strokes)


def test_mermaid_has_shapes_for_triggers_and_branches_and_labels_for_ports(invoke: Invoke) -> None:
    assert invoke("graph", "greet.json", "--format", "mermaid").stdout.splitlines() == [
        "flowchart TD",
        '  s0(["start<br/>trigger_manual"])',
        '  s1{"known<br/>conditional"}',
        '  s2["hello<br/>reply"]',
        '  s3["stranger<br/>reply"]',
        "  s0 --> s1",
        '  s1 -->|"true"| s2',
        '  s1 -->|"false"| s3',
    ]


def test_mermaid_dots_the_edges_that_repeat_a_loop_and_boxes_the_bodies() -> None:
    assert '  s2 -.->|"true"| s1' in mermaid(sketch(FLOWS["loop"])).splitlines()
    lines = mermaid(sketch(FLOWS["each"])).splitlines()
    assert lines[3:7] == [
        '  subgraph s1_body ["each item of all"]',
        '    s1_0["one<br/>set_state"]',
        "  end",
        "  s1 -.- s1_body",
    ]


@pytest.mark.parametrize(
    "evil",
    [
        'x"]; click s0 "javascript:alert(1)"',
        "<img src=x onerror=alert(1)>",
        '%%{init: {"securityLevel": "loose"}}%%',
        "a\nend\ngraph LR",
        "`**markdown**`",
        "#quot;]",
        "style s0 fill:#f00;",
        "\u2028\u202e\x1b[2J",
    ],
)
def test_no_name_can_write_mermaid_or_html(evil: str) -> None:
    named = keep("a", name=evil)
    switch = {"id": "w", "type": "switch", "config": {"value": "x", "cases": [evil[:90]]}}
    text = mermaid(sketch(flow("Evil", [named, switch], [edge("start", "w"), edge("w", "a", evil[:90])])))
    bare = text.replace("<br/>", "").replace('"', "").replace("-->", "")
    assert len(text.splitlines()) == 6
    assert not set(bare) & set("<>`%\x1b\u2028\u202e\\'")
    assert text.count('"') == 8


def test_a_flow_with_errors_is_not_drawn(invoke: Invoke, folder: Path) -> None:
    write(folder / "f.json", flow("F", [], [edge("start", "gone")]))
    result = invoke("graph", "f.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "UNKNOWN_STEP" in result.stderr
