"""The stores that events are tested over."""

from importlib.util import find_spec

import pytest


@pytest.fixture(params=["memory", "postgres"])
def store_place(request: pytest.FixtureRequest) -> str:
    """Where a fresh store is."""
    if request.param == "memory":
        return ":memory:"
    if find_spec("psycopg") is None:
        pytest.skip("NOT TESTED AGAINST POSTGRES: its driver is not installed")
    return str(request.getfixturevalue("postgres_url"))
