"""No template reaches anything but plain data, and ordinary ones still work: whole flows, run from documents."""

import json
from typing import Any

import pytest

from openrun import Flow, InvalidFlow
from openrun.core.types import RunStatus

BODY = {"user": {"name": "Ada", "tags": ["a", "b"], "items": {"0": "zero"}}, "count": 3, "__class__": "data"}


async def transformed(value: Any) -> Any:
    """What a document's transform makes of this value; the code of what it fails with, or is refused with."""
    document = {
        "name": "templates",
        "steps": [
            {"id": "start", "type": "trigger_manual"},
            {"id": "make", "type": "transform", "config": {"value": value}},
        ],
        "edges": [{"source": "start", "target": "make"}],
    }
    try:
        run = await Flow.from_json(json.dumps(document)).execute(input={"body": BODY})
    except InvalidFlow as error:
        return error.errors[0].code
    return run.output if run.status is RunStatus.SUCCEEDED else run.failures[0].error.code


@pytest.mark.parametrize(
    "source",
    [
        "''.__class__",
        "body.__class__.__mro__",
        "body.user.__init__",
        "body.user.keys",
        "body.user.tags.append",
        "body.user.name.upper",
        "body.count.__add__",
        "body.count.real",
        "body.user.tags.__len__",
        "self",
        "self.__dict__",
        "cycler",
        "cycler.__init__.__globals__.os",
        "lipsum",
        "range",
        "namespace",
        "joiner",
        "config",
        "request",
        "loop",
        "caller",
        "_",
        "__builtins__",
        "__import__",
        "undefined",
        "true.__class__",
        "none.__class__",
        "(1).bit_length",
        "{}.items",
        "[].append",
    ],
)
async def test_no_name_reads_a_python_object(source: str) -> None:
    assert await transformed(f"{{{{ {source} }}}}") in (None, "data", "TEMPLATE")


@pytest.mark.parametrize(
    "source",
    [
        "''.join(['a'])",
        "body.user.name.upper()",
        "lipsum.__globals__['os'].popen('id').read()",
        "body|attr('__class__')",
        "body|map('attr', '__class__')|list",
        "body|map(attribute='__class__.__mro__')|list|string|list|pprint",
        "[].__class__.__base__.__subclasses__()",
        "'%s'|format(body)|xmlattr",
        "body|tojson|safe",
        "{% import os %}",
        "body.user.name is callable",
        "namespace(a=1)",
        "dict(a=1)",
    ],
)
async def test_no_call_or_filter_reaches_one(source: str) -> None:
    assert await transformed(f"{{{{ {source} }}}}") in ("TEMPLATE", "TEMPLATE_ERROR", "MISSING_PATH")


@pytest.mark.parametrize(
    "path",
    [
        "body.__class__.__mro__",
        "__class__",
        "body.user.__dict__",
        "$.__class__",
        "body.user.keys",
        "os.environ",
    ],
)
async def test_no_reference_reads_a_python_object(path: str) -> None:
    assert await transformed(f"<<{path}>>") in ("MISSING_PATH", "TEMPLATE")


async def test_a_key_that_python_has_too_is_data() -> None:
    assert await transformed("<<body.__class__>>") == "data"
    assert await transformed("{{ body.__class__ }}") == "data"


async def test_ordinary_templates_still_work() -> None:
    made = await transformed(
        {
            "typed": "<<body.count>>",
            "text": "<<body.user.name>> has <<body.count>>",
            "missing": '<<body.nope ?? "none">>',
            "computed": "{{ body.count * 2 + 1 }}",
            "filtered": "{{ body.user.tags | join(', ') | upper }}",
            "chosen": "{{ 'many' if body.count > 2 else 'few' }}",
            "keyed": "{{ body.user.items.0 }}",
            "path": "<<$.body.user.tags[*]>>",
            "escaped": "\\<<body>> and \\{{ body }}",
        }
    )
    assert made == {
        "typed": 3,
        "text": "Ada has 3",
        "missing": "none",
        "computed": 7,
        "filtered": "A, B",
        "chosen": "many",
        "keyed": "zero",
        "path": ["a", "b"],
        "escaped": "<<body>> and {{ body }}",
    }


async def test_what_a_template_gave_is_not_a_template_itself() -> None:
    assert await transformed("<<body.user.name>>{{ '<<' }}body.count>>") == "Ada<<body.count>>"
