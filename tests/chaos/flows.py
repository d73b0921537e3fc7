"""The flows of a chaos run: about eight steps each, every kind of order and of waiting among them."""

from typing import Any

from openrun import Flow

CALL = "call"
"""Ids of steps that call the receiver begin so."""

_RETRY = {"max_attempts": 3, "base_ms": 30, "max_ms": 300}
Part = dict[str, Any]


def flows(port: int) -> list[Flow]:
    """All flows, calling a receiver on this port; children come first."""
    return [Flow.from_dict(each) for each in (_child(port), *(make(port) for make in _ROOTS))]


def _flow(name: str, port: int, steps: list[Part], edges: str) -> Part:
    """`edges` are words like `a>b` and `a.true>b`."""
    start = {"id": "start", "type": "trigger_manual"}
    given = [each if "config" in each else {**each, **_call(port, each["id"])} for each in steps]
    return {"name": name, "steps": [start, *given], "edges": _edges(edges)}


def _edges(text: str) -> list[Part]:
    found = []
    for word in text.split():
        source, _, target = word.partition(">")
        step, _, port = source.partition(".")
        found.append({"source": step, "target": target, **({"source_port": port} if port else {})})
    return found


def _call(port: int, step_id: str) -> Part:
    config = {"method": "POST", "url": f"http://127.0.0.1:{port}/{step_id}", "timeout": 20}
    return {"type": "request", "config": config, "retry": _RETRY}


def _step(step_id: str, kind: str = "", **config: Any) -> Part:
    """Without a kind it calls the receiver."""
    return {"id": step_id, "type": kind, "config": config} if kind else {"id": step_id}


def _set(step_id: str, key: str, value: Any) -> Part:
    return _step(step_id, "set_state", key=key, value=value)


def _delay(step_id: str) -> Part:
    return _step(step_id, "delay", seconds="<<body.pause>>")


def _child(port: int) -> Part:
    steps = [
        _set("a", "x", "<<body>>"),
        _step("call_b"),
        _step("nap", "delay", seconds=0.1),
        _step("z", "transform", value="<<x>>"),
    ]
    return _flow("child", port, steps, "start>a a>call_b call_b>nap nap>z")


def _chain(port: int) -> Part:
    steps = [
        _set("a", "x", 1),
        _step("call_b"),
        _step("c", "transform", value="{{x + 1}}", key="y"),
        _step("call_d"),
        _set("e", "z", "<<y>>"),
        _step("call_f"),
        _step("g", "transform", value=["<<x>>", "<<y>>", "<<z>>"]),
        _step("call_h"),
    ]
    return _flow(
        "chain", port, steps, "start>a a>call_b call_b>c c>call_d call_d>e e>call_f call_f>g g>call_h"
    )


def _fan(port: int) -> Part:
    steps = [
        _set("a", "x", 1),
        *(_step(f"call_{each}") for each in "bcde"),
        {**_step("call_f"), "join_mode": "ALL_SUCCESS"},
        _set("g", "y", 2),
        {**_set("end", "over", True), "always": True, "join_mode": "ALL_DONE"},
    ]
    out = " ".join(f"a>call_{each} call_{each}>call_f" for each in "bcde")
    return _flow("fan", port, steps, f"start>a {out} call_f>g g>end call_f.error>end")


def _items(port: int) -> Part:
    body = {
        "steps": [
            _set("in", "n", "<<item>>"),
            {"id": "call_i", **_call(port, "call_i")},
            _set("out", "m", "<<n>>"),
        ],
        "edges": _edges("in>call_i call_i>out"),
    }
    steps = [
        _set("a", "x", 1),
        _step("each", "foreach", items=[1, 2, 3], body=body, concurrency=2, on_item_error="tolerate"),
        _step("call_z"),
    ]
    return _flow("items", port, steps, "start>a a>each each>call_z")


def _nested(port: int) -> Part:
    steps = [
        _step("call_a"),
        _step("sub", "subflow", flow="child", input="<<body.n>>"),
        _step("crowd", "foreach", items=[1, 2], flow="child", on_item_error="tolerate"),
        _step("call_z"),
    ]
    return _flow("nested", port, steps, "start>call_a call_a>sub sub>crowd crowd>call_z")


def _naps(port: int) -> Part:
    steps = [
        _delay("n1"),
        _step("call_a"),
        _delay("n2"),
        _set("b", "x", 1),
        _delay("n3"),
        _step("call_c"),
        {**_step("call_d"), "join_mode": "ALL_SUCCESS"},
        _delay("n4"),
    ]
    edges = "start>n1 n1>call_a call_a>n2 n2>b b>n3 b>call_c n3>call_d call_c>call_d call_d>n4"
    return _flow("naps", port, steps, edges)


def _rounds(port: int) -> Part:
    steps = [
        _set("zero", "n", 0),
        {**_set("count", "n", "{{n + 1}}"), "join_mode": "NO_WAIT", "max_iterations": 20},
        _step("call_w"),
        _step("more", "conditional", left="<<n>>", operator="less_than", right="<<body.rounds>>"),
        _step("call_z"),
    ]
    edges = "start>zero zero>count count>call_w call_w>more more.true>count more.false>call_z"
    return _flow("rounds", port, steps, edges)


def _forks(port: int) -> Part:
    steps = [
        _step("which", "conditional", left="<<body.flag>>", right=True),
        _step("call_yes"),
        _step("call_no"),
        {**_set("meet", "x", 1), "join_mode": "NO_WAIT"},
        _step("call_fast"),
        _step("call_slow"),
        {**_set("won", "y", 1), "join_mode": "FIRST_SUCCESS", "losers": "cancel"},
        _step("call_end"),
    ]
    edges = (
        "start>which which.true>call_yes which.false>call_no call_yes>meet call_no>meet meet>call_fast "
        "meet>call_slow call_fast>won call_slow>won won>call_end"
    )
    return _flow("forks", port, steps, edges)


_ROOTS = (_chain, _fan, _items, _nested, _naps, _rounds, _forks)
ROOTS = ("chain", "fan", "items", "nested", "naps", "rounds", "forks")
