"""The operations of an OpenAPI document as a plain list, with all that they refer to in its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openrun.server.shapes import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    place: str
    """path, query or header"""
    description: str
    required: bool
    schema: Schema
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAnswer:
    status: str
    description: str
    headers: tuple[str, ...]
    contents: Mapping[str, Schema]
    """Schemas by media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One operation."""

    method: str
    path: str
    operation: str
    tag: str
    summary: str
    description: str
    scope: str
    """"" needs no key."""
    parameters: tuple[Parameter, ...]
    bodies: Mapping[str, Schema]
    """Schemas by media type."""
    example: Any
    """Of the body; None where there is none."""
    answers: tuple[ListedAnswer, ...]


def listed(document: Schema) -> list[Listed]:
    """All operations, in the document's order."""
    return [
        _listed(document, method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def _listed(document: Schema, method: str, path: str, operation: Schema) -> Listed:
    content: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    examples = [each["example"] for each in content.values() if "example" in each]
    return Listed(
        method=method.upper(),
        path=path,
        operation=operation["operationId"],
        tag=operation["tags"][0],
        summary=operation["summary"],
        description=operation["description"],
        scope=operation.get("x-openrun-scope", ""),
        parameters=tuple(_parameter(_followed(document, each)) for each in operation["parameters"]),
        bodies={kind: each["schema"] for kind, each in content.items()},
        example=examples[0] if examples else None,
        answers=tuple(_answers(document, operation["responses"])),
    )


def _parameter(given: Schema) -> Parameter:
    return Parameter(
        name=given["name"],
        place=given["in"],
        description=given.get("description", ""),
        required=given.get("required", False),
        schema=given["schema"],
        example=given.get("example"),
    )


def _answers(document: Schema, responses: Mapping[str, Schema]) -> Iterator[ListedAnswer]:
    for status, given in responses.items():
        response = _followed(document, given)
        yield ListedAnswer(
            status=status,
            description=response["description"],
            headers=tuple(response.get("headers", ())),
            contents={kind: each["schema"] for kind, each in response.get("content", {}).items()},
        )


def _followed(document: Schema, given: Schema) -> Schema:
    """What a reference leads to."""
    if "$ref" not in given:
        return given
    found = document
    for name in given["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found
