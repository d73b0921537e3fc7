import json
from typing import Any

import pytest

from openrun import Flow, RetryPolicy, StepCatalog, StepConfig, StepTransform, TriggerManual, step
from openrun.core.types import StepType
from openrun.definition.draft import Edge, slug
from openrun.definition.writer import version_of

from .given import START, document, edge, transform

GOLDEN = {
    "$schema": "https://openrun.dev/schemas/flow/v1.json",
    "id": "golden",
    "name": "Golden ✓",
    "description": "Pinned.",
    "on_failure": "fail_fast",
    "timeout": 90.5,
    "max_activations": 10,
    "x-a": {"a": 1, "b": [True, None]},
    "steps": [
        {"id": "start", "type": "trigger_webhook", "config": {"path": "/a/{b}", "methods": ["GET", "POST"]}},
        {
            "id": "make",
            "type": "transform",
            "name": "Make",
            "config": {"value": {"a": "<<body>>", "b": 5}, "key": "made"},
            "join_mode": "FIRST_SUCCESS",
            "losers": "cancel",
            "retry": {"max_attempts": 5, "base_ms": 10},
            "timeout": 300,
            "allow_failure": True,
            "always": True,
            "effect": "idempotent",
            "max_iterations": 7,
            "position": [1, 2.5],
            "x-note": "kept",
        },
    ],
    "edges": [
        {"source": "start", "target": "make", "x-c": 1},
        {"source": "make", "source_port": "error", "target": "make"},
    ],
}
GOLDEN_VERSION = "e016a0f2356ee69164b9422b59ba670cb5b1cc0979a9f1086d0d606e33251219"


def test_the_canonical_document_is_written_as_it_was_read() -> None:
    flow = Flow.from_dict(GOLDEN)
    assert flow.to_dict() == GOLDEN
    assert flow.to_json() == json.dumps(GOLDEN, indent=2, ensure_ascii=False) + "\n"
    assert Flow.from_json(flow.to_json()) == flow


def test_the_version_of_a_document_stays_what_it_is() -> None:
    assert Flow.from_dict(GOLDEN).version == GOLDEN_VERSION
    assert version_of(GOLDEN) == GOLDEN_VERSION


def shuffled(value: Any) -> Any:
    """The same JSON with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_keys_does_not_matter() -> None:
    flow = Flow.from_dict(shuffled(GOLDEN))
    assert flow.to_json() == Flow.from_dict(GOLDEN).to_json()
    assert flow.version == GOLDEN_VERSION


def test_durations_and_whole_numbers_have_one_spelling() -> None:
    one = document([transform("a", 5, timeout="5m")], timeout="PT1H")
    other = document([transform("a", 5.0, timeout=300.0)], timeout=3600)
    assert Flow.from_dict(one).to_json() == Flow.from_dict(other).to_json()
    assert '"timeout": 3600' in Flow.from_dict(one).to_json()


def test_defaults_are_left_out() -> None:
    written = Flow.from_dict(
        {
            "id": "",
            "name": "Defaults",
            "description": None,
            "on_failure": "drain",
            "timeout": None,
            "max_activations": None,
            "steps": [
                START
                | {
                    "config": {"description": None},
                    "join_mode": "NO_WAIT",
                    "losers": "detach",
                    "retry": None,
                    "timeout": None,
                    "allow_failure": False,
                    "always": False,
                    "effect": None,
                    "max_iterations": None,
                    "position": None,
                    "name": None,
                },
                {
                    "id": "r",
                    "type": "request",
                    "config": {
                        "url": "https://example.com",
                        "method": "GET",
                        "headers": {},
                        "query": {},
                        "body": None,
                        "timeout": "30s",
                    },
                    "retry": {"max_attempts": 2, "strategy": "exponential", "jitter": 0.1},
                },
            ],
            "edges": [{"source": "start", "source_port": "default", "target": "r"}],
        }
    ).to_dict()
    assert written == {
        "$schema": "https://openrun.dev/schemas/flow/v1.json",
        "id": "defaults",
        "name": "Defaults",
        "steps": [
            START,
            {
                "id": "r",
                "type": "request",
                "config": {"url": "https://example.com"},
                "retry": {"max_attempts": 2},
            },
        ],
        "edges": [{"source": "start", "target": "r"}],
    }


def test_python_and_json_are_two_spellings_of_one_flow() -> None:
    flow = Flow("A flow")
    start = flow.add_step(TriggerManual(id="start"))
    flow.add_edge(
        start, StepTransform(id="a", config={"value": "<<body>>"}, retry=RetryPolicy(max_attempts=3))
    )
    again = Flow.from_dict(document([transform("a", "<<body>>", retry=3)]))
    assert flow == again
    assert flow.version == again.version


class Shout(StepTransform):
    """Says it louder."""

    type: str = StepType.TRANSFORM


@step
async def add(a: int, b: int = 1) -> int:
    return a + b


def test_custom_steps_are_written_and_read_with_a_catalogue() -> None:
    catalog = StepCatalog.builtin()
    catalog.add("shout", Shout)
    catalog.add("add", add)
    flow = Flow("Custom", catalog=catalog)
    start = flow.add_step(TriggerManual(id="start"))
    flow.add_edge(start, Shout(id="loud", config={"value": 1}))
    flow.add_edge("loud", add(id="sum", a="<<steps.loud>>", b=2, timeout="5s"))
    again = Flow.from_json(flow.to_json(), catalog=catalog)
    assert again == flow
    assert [type(each) for each in again.steps] == [TriggerManual, Shout, add.step_class]
    assert again.to_dict()["steps"][2]["config"] == {"a": "<<steps.loud>>", "b": 2}


def test_a_config_without_anything_is_left_out() -> None:
    class Silent(StepTransform):
        config: StepConfig = StepConfig()  # type: ignore[assignment]

    catalog = StepCatalog.builtin()
    catalog.add("silent", Silent)
    flow = Flow("n", catalog=catalog)
    flow.add_step(Silent(id="s"))
    assert flow.to_dict()["steps"] == [{"id": "s", "type": "silent"}]


def test_templates_are_written_raw() -> None:
    given = document(
        [transform("a", {"z": "\\<<x>>", "a": "{{ body.n | int }}"}), transform("b", "<<body>> & ✓")]
    )
    assert Flow.from_json(Flow.from_dict(given).to_json()).to_dict()["steps"][1:] == given["steps"][1:]


def test_the_name_gives_the_id() -> None:
    assert slug("Fetch  User!") == "fetch-user"
    assert slug("Größe & Maß").isascii()
    assert slug("✓").startswith("flow-")
    assert slug("日本") != slug("中国")
    assert len(slug("x" * 300)) == 64
    assert Edge("a", "b") == Edge("a", "b", "default", {"x-note": 1})


@pytest.mark.parametrize("port", [None, "default"])
def test_the_default_port_is_not_written(port: str | None) -> None:
    written = Flow.from_dict(document([transform("a")], [edge("start", "a", port)])).to_dict()
    assert written["edges"] == [{"source": "start", "target": "a"}]


@pytest.mark.parametrize("retry", [3, {}, {"max_attempts": 3}, {"strategy": "exponential"}])
def test_three_attempts_are_written_as_three_attempts(retry: Any) -> None:
    flow = Flow.from_dict(document([transform("a", 1, retry=retry)]))
    assert flow.to_dict()["steps"][1]["retry"] == {"max_attempts": 3}
    assert flow.version == Flow.from_json(flow.to_json()).version


def test_a_policy_begins_with_its_attempts() -> None:
    flow = Flow.from_dict(document([transform("a", 1, retry={"base_ms": 5})]))
    assert list(flow.to_dict()["steps"][1]["retry"].items()) == [("max_attempts", 3), ("base_ms", 5)]
