import json
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrun import Flow, StepCatalog
from openrun.definition.reader import examine

from .flows import VALUES, Part, documents, flows
from .given import refusals


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows())
def test_a_flow_is_what_its_document_says(flow: Flow) -> None:
    text = flow.to_json()
    again = Flow.from_json(text)
    assert again == flow
    assert again.to_json() == text
    assert again.version == flow.version
    assert {type(step) for step in again.steps} == {type(step) for step in flow.steps}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.randoms())
def test_the_order_of_keys_never_matters(document: Part, rng: random.Random) -> None:
    assert Flow.from_dict(shuffled(document, rng)).to_json() == Flow.from_dict(document).to_json()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flows())
def test_what_is_written_is_plain_json(flow: Flow) -> None:
    assert json.loads(flow.to_json()) == flow.to_dict()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.data())
def test_nothing_put_anywhere_into_a_document_breaks_the_reader(document: Part, data: st.DataObject) -> None:
    broken = mutated(document, data)
    draft, faults = examine(broken, StepCatalog.builtin())
    assert faults or draft is not None
    assert all(points(broken, fault.pointer) for fault in refusals(broken))


def mutated(value: Any, data: st.DataObject) -> Any:
    """The document with one value in it replaced, or a key added; it stays an object."""
    document = json.loads(json.dumps(value))
    part: Any = document
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys)) if keys else None
        if key is not None and isinstance(part[key], dict | list) and data.draw(st.integers(0, 3)):
            part = part[key]
            continue
        if isinstance(part, dict):
            part[key if key is not None and data.draw(st.booleans()) else "odd/key~"] = data.draw(VALUES)
        elif key is not None:
            part[key] = data.draw(VALUES)
        return document


def points(document: Any, pointer: str) -> bool:
    """Whether everything a pointer names but its last part is there."""
    value = document
    for token in pointer.split("/")[1:-1]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False
    return True


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(each, rng) for each in value] if isinstance(value, list) else value
