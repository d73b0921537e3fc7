"""Random flows, as documents and as what Python makes: valid ones, of every type of step."""

from typing import Any

from hypothesis import strategies as st

from openrun import Flow, StepCatalog
from openrun.core.types import RESERVED_ROOTS, EffectClass, JoinMode, Losers
from openrun.store.tickets import AtLimit

Part = dict[str, Any]

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8).map(
    lambda text: text.replace("<", "(").replace("{", "(").replace("\\", "/")
)
TEMPLATES = st.sampled_from(
    [
        "<<body>>",
        'Hello <<body.name ?? "you">>',
        "{{ body.n | default(1) }}",
        "\\<<no>>",
        "<<$.body.items[*]>>",
    ]
)
REFERENCES = st.sampled_from(["<<body>>", "{{ body.n | default(1) }}"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
)
KEYS = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
STATE_KEYS = KEYS.filter(lambda key: key not in RESERVED_ROOTS)
VALUES = st.recursive(
    SCALARS | TEXT | TEMPLATES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
SECONDS = st.sampled_from([1, 2.5, "5m", "PT1H", 90.0])
EXTENSIONS = st.dictionaries(KEYS.map("x-{}".format), VALUES, max_size=1)
_EXAMPLES = {key: cls.info().examples for key, cls in StepCatalog.builtin().items()}


def _config(key: str) -> st.SearchStrategy[Any]:
    shown = st.sampled_from(_EXAMPLES[key])
    made: dict[str, st.SearchStrategy[Any]] = {
        "transform": st.fixed_dictionaries({"value": VALUES}, optional={"key": KEYS}),
        "set_state": st.fixed_dictionaries({"values": st.dictionaries(STATE_KEYS, VALUES)}),
        "reply": st.fixed_dictionaries(
            {}, optional={"status": st.integers(200, 599) | REFERENCES, "body": VALUES}
        ),
        "conditional": st.fixed_dictionaries({"left": VALUES, "right": VALUES}),
        "delay": st.fixed_dictionaries({"seconds": SECONDS | REFERENCES}),
        "request": st.fixed_dictionaries(
            {"url": st.just("https://example.com/")},
            optional={
                "method": st.sampled_from(["GET", "POST"]),
                "headers": st.dictionaries(KEYS, TEXT | TEMPLATES, max_size=2),
                "query": st.dictionaries(KEYS, VALUES, max_size=2),
                "body": VALUES,
                "timeout": SECONDS | st.none() | REFERENCES,
                "auth": st.just({"bearer": "<<secrets.token>>"}),
                "follow_redirects": st.booleans() | REFERENCES,
            },
        ),
    }
    return made.get(key, shown) | shown


def _undoing(key: str) -> st.SearchStrategy[Part]:
    settings = {
        "name": TEXT,
        "retry": st.integers(1, 20),
        "timeout": SECONDS,
        "effect": st.sampled_from([each.value for each in EffectClass]),
    }
    return st.builds(
        lambda config, more, free: {**free, "type": key, **more, "config": config},
        _config(key),
        st.fixed_dictionaries({}, optional=settings),
        EXTENSIONS,
    )


_UNDOING = st.sampled_from(["request", "subflow", "transform", "delay"]).flatmap(_undoing)


def step_parts(step_id: str, keys: list[str]) -> st.SearchStrategy[Part]:
    """A step of one of these types, with any of the settings that every step has."""

    def of_type(key: str) -> st.SearchStrategy[Part]:
        settings = {
            "name": TEXT,
            "join_mode": st.sampled_from([mode.value for mode in JoinMode]),
            "losers": st.sampled_from([each.value for each in Losers]),
            "retry": st.integers(1, 20)
            | st.fixed_dictionaries(
                {},
                optional={
                    "max_attempts": st.integers(1, 20),
                    "base_ms": st.integers(0, 100),
                    "jitter": st.floats(0, 1),
                },
            ),
            "timeout": SECONDS,
            "effect": st.sampled_from([each.value for each in EffectClass]),
            "max_iterations": st.integers(1, 50),
            "position": st.tuples(st.integers(-9, 9), st.floats(-9, 9)).map(list),
        }
        if not key.startswith("trigger_"):
            settings["compensate"] = _UNDOING
        return st.builds(
            lambda config, more, free: {"id": step_id, "type": key, "config": config, **more, **free},
            _config(key),
            st.fixed_dictionaries({}, optional=settings),
            EXTENSIONS,
        )

    return st.sampled_from(keys).flatmap(of_type)


_LIMITS = st.fixed_dictionaries(
    {"concurrency": st.integers(1, 100_000)},
    optional={
        "key": st.sampled_from(["<<$>>", "<<$[*]>>"]),
        "at_limit": st.sampled_from([each.value for each in AtLimit]),
        "rate": st.fixed_dictionaries({"limit": st.integers(1, 10_000), "period": SECONDS}),
        "debounce": st.fixed_dictionaries({"period": SECONDS}),
        "priority": st.integers(0, 100) | st.just("<<$.*>>"),
    },
)


@st.composite
def documents(draw: st.DrawFn) -> Part:
    """A valid flow without cycles: edges lead from earlier steps to later ones."""
    types = [key for key, cls in StepCatalog.builtin().items() if not cls.is_trigger]
    triggers = [key for key, cls in StepCatalog.builtin().items() if cls.is_trigger]
    steps = [draw(step_parts("start", triggers))]
    steps += [draw(step_parts(f"s{at}", types)) for at in range(draw(st.integers(0, 4)))]
    edges = []
    for at in range(1, len(steps)):
        source = steps[draw(st.integers(0, at - 1))]["id"]
        edge = {"source": source, "target": steps[at]["id"], **draw(EXTENSIONS)}
        if draw(st.booleans()):
            edge["source_port"] = "error"
        edges.append(edge)
    settings = st.fixed_dictionaries(
        {"name": TEXT.filter(bool)},
        optional={
            "id": st.from_regex(r"[a-z0-9_-]{1,9}", fullmatch=True),
            "description": TEXT,
            "on_failure": st.sampled_from(["drain", "fail_fast"]),
            "timeout": SECONDS,
            "max_activations": st.integers(1, 1_000_000),
            "flow_control": _LIMITS,
        },
    )
    return {**draw(settings), **draw(EXTENSIONS), "steps": steps, "edges": edges}


def flows() -> st.SearchStrategy[Flow]:
    return documents().map(Flow.from_dict)
