"""What pages find when they run."""

from collections.abc import Iterator

import pytest

from tests.docs.api import Api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """api.example.com, for blocks that run a flow without an engine; whoever has one gives it a client."""
    with Api() as server:
        monkeypatch.setattr("openrun.runtime.engine.HttpClient", server.client)
        yield server
