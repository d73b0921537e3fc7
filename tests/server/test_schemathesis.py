"""The whole API against its own document: whatever is sent, what comes back is what the document says.

`FUZZ_EXAMPLES=500 pytest tests/server/test_schemathesis.py` looks longer.
"""

import copy
import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from openrun.runtime.clock import SystemClock
from openrun.server import health
from openrun.server.api import ROUTES
from openrun.server.openapi import document
from openrun.server.repetition import HEADER as IDEMPOTENCY_KEY
from tests.server.crowded import Crowded, crowded, endpoints

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
PATIENCE = 20
DOCUMENT = document((*health.routes(SystemClock()), *ROUTES), endpoints())
FIRST = {"approvals.approve", "compensations.resolve", "dead_letters.discard"}
SECOND = {"approvals.reject", "compensations.ignore", "dead_letters.replay"}
"""What uses names up has one half of them."""
NUMBERS = itertools.count()
TAKEN = 24
"""So many names that are taken a path may have; which ones they are is known once the server runs."""

EXPECTED = ("2xx", "3xx", "401", "403", "404", "409", "410")
PARTICULAR = (
    *("flows.upload", "flows.put", "approvals.approve", "approvals.reject", "approvals.answer"),
    *("keys.create", "effects.resolve", "runs.start", "events.publish", "subscriptions.create"),
    *("schedules.preview", "schedules.preview_expression", "schedules.backfill"),
)
"""Operations that refuse more than a schema can say."""

OFF = {"positive_data_acceptance": {"enabled": False}}


def with_taken_names(made: dict[str, Any]) -> dict[str, Any]:
    """The document, whose paths name what there is as often as what there is not."""
    made = copy.deepcopy(made)
    for path, item in made["paths"].items():
        for operation in item.values():
            # What a schema cannot say is which texts are cursors.
            given = [each for each in operation["parameters"] if each.get("name") != "cursor"]
            operation["parameters"] = [
                _maybe_taken(each) if path.startswith("/v1/") else each for each in given
            ]
    return made


def _maybe_taken(parameter: dict[str, Any]) -> dict[str, Any]:
    if parameter.get("in") != "path":
        return parameter
    marks = [f"taken-{number}" for number in range(TAKEN)]
    rest = {key: each for key, each in parameter.items() if key != "example"}
    return {**rest, "schema": {"anyOf": [{"enum": marks}, parameter["schema"]]}}


CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "generation": {"deterministic": True},
        "checks": {"positive_data_acceptance": {"expected-statuses": [*EXPECTED, "412"]}},
        "operations": [
            {"include-operation-id": "runs.fork", "checks": OFF},
            # Its path is that of a flow, too, which takes other methods.
            {
                "include-operation-id": "flows.validate",
                "checks": {"allow_header_conformance": {"enabled": False}},
            },
            *({"include-operation-id": name, "checks": OFF} for name in PARTICULAR),
        ],
    }
)
API = schemathesis.openapi.from_dict(with_taken_names(DOCUMENT), config=CONFIG)


@pytest.fixture(scope="module")
def place() -> Iterator[Crowded]:
    with crowded() as made:
        yield made


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


def named(case: schemathesis.Case[Any], place: Crowded) -> None:
    """Put names that are taken where the marks are; requests that are not the same have keys of their own."""
    if IDEMPOTENCY_KEY in (case.headers or {}):
        case.headers[IDEMPOTENCY_KEY] += str(next(NUMBERS))
    operation = case.operation.definition.raw["operationId"]
    tag = (case.operation.tags or [""])[0]
    for name, given in dict(case.path_parameters or {}).items():
        known = place.names.get(f"{tag}.{name}") or place.names.get(name)
        if known and isinstance(given, str) and given.startswith("taken-"):
            half = (len(known) + 1) // 2
            share = known[:half] if operation in FIRST else known[half:] if operation in SECOND else known
            known = share or known
            case.path_parameters[name] = known[int(given.removeprefix("taken-")) % len(known)]


@API.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_what_comes_back_is_what_the_document_says(
    case: schemathesis.Case[Any], place: Crowded, session: requests.Session
) -> None:
    named(case, place)
    headers = {"Authorization": f"Bearer {place.key}"}
    case.call_and_validate(base_url=place.url, session=session, headers=headers, timeout=PATIENCE)


def test_the_document_that_is_served_is_the_one_that_was_tried() -> None:
    with crowded() as place:
        served = place.run(place.site.call("GET", "/openapi.json")).json
    assert served == DOCUMENT
