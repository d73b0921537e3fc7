"""Documents that somebody would send who wants to hold a server, fill its memory, or reach into it."""

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

MIB = 2**20
START = {"id": "start", "type": "trigger_manual"}

Value = Any
Pair = tuple[str, str]


def document(steps: Iterable[Value], edges: Iterable[Any] = (), **more: Any) -> str:
    """A flow document that begins with a manual trigger; edges are (source, target) or (source, target, port)."""
    named = [dict(zip(("source", "target", "source_port"), edge, strict=False)) for edge in edges]
    return json.dumps(
        {"name": "hostile", **more, "steps": [START, *steps], "edges": named}, ensure_ascii=False
    )


def transform(step_id: str, value: Value = 1, **more: Value) -> Value:
    return {"id": step_id, "type": "transform", "config": {"value": value}, **more}


def conditional(step_id: str, **config: Value) -> Value:
    return {"id": step_id, "type": "conditional", "config": {"left": "<<body>>", "right": 1, **config}}


def request(step_id: str, url: str, **config: Value) -> Value:
    return {"id": step_id, "type": "request", "config": {"url": url, **config}}


def foreach(step_id: str, steps: list[Value], **more: Value) -> Value:
    return {"id": step_id, "type": "foreach", "config": {"items": [1], "body": {"steps": steps}}, **more}


def around(value_text: str) -> str:
    """A flow whose only value is this JSON text."""
    return document([transform("s", "@")], [("start", "s")]).replace('"@"', value_text)


def chain(size: int, value: Callable[[int], Value] = lambda _at: 1, *back: tuple[int, int]) -> str:
    """Transforms in a row, with edges back."""
    ids = [f"s{at}" for at in range(size)]
    edges = [("start", "s0"), *pairwise(ids), *((ids[source], ids[target]) for source, target in back)]
    return document([transform(step, value(at)) for at, step in enumerate(ids)], edges)


def fan(steps: list[Value], *more: tuple[str, ...]) -> str:
    return document(steps, [*(("start", step["id"]) for step in steps), *more])


def nested_bodies(depth: int) -> str:
    inner: list[Value] = [transform("s", "<<item>>")]
    for _ in range(depth):
        inner = [foreach("s", inner)]
    return fan(inner)


def dense(steps: int, out: int) -> str:
    ids = [f"s{at}" for at in range(steps)]
    edges = [(ids[at], ids[(at + way) % steps]) for at in range(steps) for way in range(1, out + 1)]
    return document([transform(step) for step in ids], [("start", "s0"), *edges])


def ladder(rungs: int, join: str = "NO_WAIT") -> str:
    """Conditionals one after another, the two branches of each meeting again."""
    steps, edges, last = [], [], "start"
    for at in range(rungs):
        steps += [conditional(f"c{at}"), transform(f"a{at}"), transform(f"m{at}", join_mode=join)]
        edges += [
            (last, f"c{at}"),
            (f"c{at}", f"a{at}", "true"),
            (f"c{at}", f"m{at}", "false"),
            (f"a{at}", f"m{at}"),
        ]
        last = f"m{at}"
    return document(steps, edges)


def layers(width: int, count: int, **more: Value) -> str:
    """Every step of a layer leads to every step of the next."""
    steps = [transform(f"s{at}x{row}", **more) for row in range(count) for at in range(width)]
    edges = [
        (f"s{one}x{row}", f"s{other}x{row + 1}")
        for row in range(count - 1)
        for one in range(width)
        for other in range(width)
    ]
    return document(steps, [*(("start", f"s{at}x0") for at in range(width)), *edges])


def listing(part: str, count: int) -> str:
    return "[" + ",".join([part] * count) + "]"


LARGE: dict[str, Callable[[], str]] = {
    "10,000 steps with a reference each": lambda: chain(9_999, lambda at: f"<<body.x{at}?>> and text"),
    "10,000 steps with a filter each": lambda: chain(9_999, lambda at: f"{{{{ body.x{at} | default(1) }}}}"),
    "10,000 requests": lambda: document(
        [request(f"r{at}", f"https://h{at}.example/", headers={"X": "<<body.x?>>"}) for at in range(9_999)],
        [("start", "r0"), *((f"r{at}", f"r{at + 1}") for at in range(9_998))],
    ),
    "40,000 steps": lambda: document([transform(f"s{at}") for at in range(40_000)]),
    "16 MiB of text": lambda: around(json.dumps("x" * (16 * MIB - 300))),
    "8 MiB of text": lambda: around(json.dumps("x" * (8 * MIB - 300))),
    "8 MiB of text and a template": lambda: around(json.dumps("x" * (8 * MIB - 300) + "<<body>>")),
    "8 MiB of quotes": lambda: around(json.dumps('"' * (4 * MIB - 300))),
    "8 MiB of wide text": lambda: around(
        json.dumps(["x" * 1_000_000 + "\U0001f600"] * 8, ensure_ascii=False)
    ),
    "32 MiB of text": lambda: around(json.dumps("x" * 32 * MIB)),
    "a million numbers": lambda: around(listing("1", 990_000)),
    "a million lists": lambda: around(listing("[]", 990_000)),
    "half a million objects": lambda: around(listing('{"a":1}', 490_000)),
    "half a million odd objects": lambda: around(
        "[" + ",".join(f'{{"a{at:06}":1}}' for at in range(490_000)) + "]"
    ),
    "a million keys": lambda: around("{" + ",".join(f'"a{at:06}":1' for at in range(990_000)) + "}"),
    "as many objects as are allowed": lambda: around(
        "[" + ",".join(f'{{"a{at:06}":1}}' for at in range(120_000)) + "]"
    ),
    "as many keys as are allowed": lambda: around(
        "{" + ",".join(f'"a{at:06}":1' for at in range(240_000)) + "}"
    ),
    "a bomb of brackets": lambda: around("[" * 5_000_000),
    "a bomb of objects": lambda: around('{"a":' * 2_000_000),
    "a long key over many values": lambda: around(json.dumps({"k" * 3_000_000: ["<<a>>"] * 49_000})),
    "long keys in each other": lambda: around(
        '{"%s":' % ("k" * 499) * 60 + listing('"<<a?>>"', 45_000) + "}" * 60
    ),
    "x- keys in plenty": lambda: document(
        [transform("s")], [("start", "s")], **dict.fromkeys(map("x-{}".format, range(200_000)), 1)
    ),
}

TEMPLATES: dict[str, Callable[[], str]] = {
    "200,000 references": lambda: fan([transform(f"s{at}", ["<<body.x>>"] * 20_000) for at in range(10)]),
    "200,000 expressions": lambda: fan([transform(f"s{at}", ["{{ a+1 }}"] * 20_000) for at in range(10)]),
    "as many references as are allowed": lambda: fan(
        [transform(f"s{at}", ["<<a>>"] * 4_600) for at in range(8)]
    ),
    "as many expressions as are allowed": lambda: fan([transform("s", ["{{ a+1 }}"] * 9_000)]),
    "as many filters as are allowed": lambda: fan([transform("s", ["{{ a|e }}"] * 9_000)]),
    "as many paths as are allowed": lambda: fan([transform("s", ["{{ a.b }}"] * 9_990)]),
    "faulty expressions": lambda: fan([transform(f"s{at}", ["{{ a|nope }}"] * 90) for at in range(100)]),
    "faulty references": lambda: fan([transform(f"s{at}", ["<<a b c>>"] * 90) for at in range(400)]),
    "openers alone": lambda: fan([transform("s", "<<" * 24_000 + "{{" * 4_000)]),
    "openers alone in many steps": lambda: fan([transform(f"s{at}", "<<{{") for at in range(9_000)]),
    "long sums": lambda: fan([transform(f"s{at}", "{{ 1" + "+1" * 15_000 + " }}") for at in range(200)]),
    "long lists": lambda: fan([transform(f"s{at}", "{{ [" + "1," * 900 + "1] }}") for at in range(3_000)]),
    "long paths": lambda: fan([transform(f"s{at}", "{{a" + ".b" * 15_000 + "}}") for at in range(200)]),
    "long references": lambda: fan([transform(f"s{at}", "<<a" + ".b" * 15_000 + ">>") for at in range(200)]),
    "long JSONPaths": lambda: fan([transform(f"s{at}", "<<$" + ".*" * 15_000 + ">>") for at in range(200)]),
    "long literals": lambda: fan(
        [transform(f"s{at}", "<<a ?? " + listing("[]", 10_000) + ">>") for at in range(200)]
    ),
    "folding": lambda: fan(
        [
            transform(f"s{at}", "{{ " + source + " }}")
            for at, source in enumerate(
                ["'x'*10**8", "(10**(10**8))", "(9**9)**9**9", "[[0]*999]*999999", "range(10**9)|list"] * 20
            )
        ]
    ),
    "templates hidden in bodies": lambda: fan(
        [foreach(f"f{at}", [transform("s", ["{{ a+1 }}"] * 2_000)]) for at in range(10)]
    ),
    "references that nobody knows": lambda: fan(
        [transform(f"s{at}" + "x" * 50, f"<<steps.{'x' * 50}{at}>>") for at in range(9_000)]
    ),
}

_DEEP = 1_000
GRAPHS: dict[str, Callable[[], str]] = {
    "a million edges": lambda: dense(2_000, 500).replace(" ", ""),
    "as many edges as are allowed": lambda: dense(9_990, 3),
    "layers": lambda: layers(70, 10),
    "layers of joins": lambda: layers(70, 10, join_mode="ALL_DONE"),
    "layers of races": lambda: layers(70, 10, join_mode="FIRST_SUCCESS"),
    "a chain of races": lambda: document(
        [transform(f"s{at}", join_mode="FIRST_SUCCESS") for at in range(9_999)],
        [("start", "s0"), *((f"s{at}", f"s{at + 1}") for at in range(9_998))],
    ),
    "nested loops": lambda: chain(
        2 * _DEEP + 2, lambda _: 1, *((2 * _DEEP - at, 1 + at) for at in range(_DEEP))
    ),
    "overlapping loops": lambda: chain(
        2 * _DEEP, lambda _: 1, *((_DEEP + at - 1, at) for at in range(1, _DEEP))
    ),
    "every step leads back": lambda: chain(9_999, lambda _: 1, *((at, at - 1) for at in range(2, 9_999))),
    "3,000 loops in a row": lambda: chain(
        9_003, lambda _: 1, *((3 * at + 2, 3 * at + 1) for at in range(3_000))
    ),
    "3,000 steps in loops alone": lambda: chain(
        9_003, lambda _: 1, *((3 * at, 3 * at) for at in range(1, 3_000))
    ),
    "one large loop": lambda: chain(9_999, lambda _: 1, (9_998, 1)),
    "every pair": lambda: dense(220, 219),
    "loops nobody enters": lambda: document(
        [transform(f"s{at}") for at in range(9_999)], [(f"s{at}", f"s{at}") for at in range(9_999)]
    ),
    "a finally step after 10,000": lambda: document(
        [transform(f"s{at}", always=at == 9_998) for at in range(9_999)],
        [("start", "s0"), *((f"s{at}", f"s{at + 1}") for at in range(9_998))],
    ),
    "conditionals in a row": lambda: ladder(3_300),
    "conditionals that join": lambda: ladder(3_300, "ALL_SUCCESS"),
    "a hub": lambda: document(
        [transform(f"s{at}") for at in range(9_990)],
        [
            ("start", "s0"),
            *(("s0", f"s{at}") for at in range(1, 9_989)),
            *((f"s{at}", "s9989") for at in range(9_989)),
        ],
    ),
    "10,000 bodies": lambda: fan([foreach(f"f{at}", [transform("s")]) for at in range(4_990)]),
    "steps hidden in bodies": lambda: fan(
        [foreach(f"f{at}", [transform(f"s{n}") for n in range(6_000)]) for at in range(4)]
    ),
    "edges hidden in bodies": lambda: fan(
        [
            {
                "id": f"f{at}",
                "type": "foreach",
                "config": {
                    "items": [1],
                    "body": {
                        "steps": [transform("a"), transform("b")],
                        "edges": [{"source": "a", "target": "b", "source_port": "x"}] * 15_000,
                    },
                },
            }
            for at in range(6)
        ]
    ),
    "loops hidden in bodies": lambda: document(
        [
            {
                "id": "f",
                "type": "foreach",
                "config": {
                    "items": [1],
                    "body": {
                        "steps": [transform(f"s{at}") for at in range(5_000)],
                        "edges": [
                            {"source": f"s{at}", "target": f"s{to}"}
                            for at in range(4_999)
                            for to in ({at + 1, max(at - 1, 1)} if at > 1 else {at + 1})
                        ],
                    },
                },
            }
        ],
        [("start", "f")],
    ),
    "bodies eight deep": lambda: nested_bodies(8),
    "bodies sixteen deep": lambda: nested_bodies(14),
}

_TIMES = [
    "59 23 31 12 0#5",
    "0 0 29 2 1",
    "59 23 l 2 l1",
    ",".join(map(str, range(60))) + " * * * *",
    "0 0 30 2 *",
]
FIELDS: dict[str, Callable[[], str]] = {
    "10,000 cron expressions": lambda: document(
        [
            {
                "id": f"t{at}",
                "type": "trigger_schedule",
                "config": {"cron": f"{at % 60} {at % 24} 31 2,4,6 *"},
            }
            for at in range(9_000)
        ]
    ),
    "costly cron expressions": lambda: document(
        [
            {"id": f"t{at}", "type": "trigger_schedule", "config": {"cron": _TIMES[at % len(_TIMES)]}}
            for at in range(99)
        ]
    ),
    "cron expressions in bodies": lambda: fan(
        [
            foreach(
                f"f{at}",
                [
                    {"id": f"t{n}", "type": "trigger_schedule", "config": {"cron": _TIMES[n % 4]}}
                    for n in range(90)
                ],
            )
            for at in range(90)
        ]
    ),
    "a huge cron expression": lambda: document(
        [{"id": "t", "type": "trigger_schedule", "config": {"cron": "*," * 3_000_000 + "* * * * *"}}]
    ),
    "time zones that are none": lambda: document(
        [
            {
                "id": f"t{at}",
                "type": "trigger_schedule",
                "config": {"interval": 60, "timezone": f"Europe/Berlin{at}"},
            }
            for at in range(99)
        ]
    ),
    "regular expressions": lambda: fan(
        [conditional(f"c{at}", operator="matches", right=f"(a|b|c|d){at}" * 60) for at in range(5_000)]
    ),
    "costly regular expressions": lambda: fan(
        [conditional(f"c{at}", operator="matches", right=r"\p{L}" * 80 + str(at)) for at in range(49)]
    ),
    "repeated repetitions": lambda: fan(
        [
            conditional(f"c{at}", operator="matches", right=f"((((a{{1,30}}){{1,30}}){{1,30}}){at})")
            for at in range(490)
        ]
    ),
    "catastrophic patterns": lambda: fan(
        [conditional(f"c{at}", operator="matches", right=f"(a+)+{at}$") for at in range(900)]
    ),
    "a million cases": lambda: fan(
        [{"id": "w", "type": "switch", "config": {"value": 1, "cases": [f"c{at}" for at in range(200_000)]}}]
    ),
    "headers that are null": lambda: fan(
        [request("r", "https://example.com/", headers={f"h{at}": None for at in range(200_000)})]
    ),
    "headers that are null in many requests": lambda: fan(
        [
            request(f"r{n}", "https://example.com/", headers={f"h{at}": None for at in range(9_000)})
            for n in range(20)
        ]
    ),
    "unknown fields in plenty": lambda: fan(
        [{"id": "r", "type": "request", "config": {f"h{at}": None for at in range(200_000)}}]
    ),
    "unknown settings in plenty": lambda: document([], [], **{f"nme{at}": 1 for at in range(200_000)}),
    "unknown settings": lambda: document([], [], **{"descriptiom" * 5 + str(at): 1 for at in range(990)}),
    "unknown types": lambda: document(
        [{"id": f"s{at}", "type": f"trigger_webhoo{at}"} for at in range(9_999)]
    ),
    "long types": lambda: document([{"id": f"s{at}", "type": "t" * 1_000_000} for at in range(7)]),
    "long ids": lambda: document([transform("s" * 3_000_000), transform("s" * 3_000_000)]),
    "long ends of edges": lambda: document([transform("s")], [("start", "s" * 700_000)] * 10),
    "edges that lead nowhere": lambda: document(
        [transform("abcdefgh" * 7 + f"{at}") for at in range(9_000)],
        [("start", "hgfedcba" * 7 + f"{at}") for at in range(40_000)],
    ),
    "ports that are none": lambda: document(
        [transform("a"), transform("b")], [("a", "b", f"p{at}") for at in range(40_000)]
    ),
    "one id for all": lambda: document([transform("s") for _ in range(9_999)], [("start", "s")]),
    "steps that are no objects": lambda: document(range(9_999)),
    "edges that are no objects": lambda: document([]).replace(
        '"edges": []', '"edges": ' + listing("7", 49_000)
    ),
    "webhooks with one path": lambda: document(
        [{"id": f"t{at}", "type": "trigger_webhook", "config": {"path": "/a"}} for at in range(99)]
    ),
    "a long URL": lambda: fan([request("r", "https://example.com/" + "\u00e4" * 3_500_000)]),
    "a long host": lambda: fan([request("r", "https://" + "\u00e4" * 1_000_000 + "/")]),
    "names that Python has": lambda: fan(
        [
            transform(
                "__class__",
                {"__class__": {"__module__": "os"}, "py/object": "os.system", "$ref": "file:///etc/passwd"},
            ),
            transform("__init__", "<<__class__.__mro__?>> <<body.__globals__?>> {{ ''.__class__ }}"),
        ]
    ),
    "types that are modules": lambda: document(
        [
            {"id": f"s{at}", "type": kind}
            for at, kind in enumerate(
                [
                    "os.system",
                    "antigravity",
                    "this:main",
                    "tests.security.child",
                    "__import__('os')",
                    "../etc",
                ]
            )
        ]
    ),
    "a flow that runs itself": lambda: fan(
        [
            {"id": "f", "type": "foreach", "config": {"items": [1], "flow": "hostile"}},
            {"id": "g", "type": "subflow", "config": {"flow": "hostile", "input": "<<body>>"}},
        ]
    ),
    "odd characters": lambda: document(
        [
            transform(odd, odd)
            for odd in ("\u202eabc", "\u0430bc", "a\u200bb", "\ufeff", "\x00", "a\nb", "\U0001f600")
        ],
        name="\u202e\U0001f600\u0000",
    ),
}

ALL: dict[str, Callable[[], str]] = {**LARGE, **TEMPLATES, **GRAPHS, **FIELDS}
