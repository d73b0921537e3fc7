"""What pages find when they run."""

from collections.abc import Iterator

import pytest

from tests.docs.api import Api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """api.example.com, for engines that the pages make themselves."""
    with Api() as server:
        monkeypatch.setattr("openrun.runtime.engine.HttpClient", server.client)
        yield server
