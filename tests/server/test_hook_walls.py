"""What keeps webhooks apart: ids of deliveries, and the secrets of namespaces."""

import json

import pytest

from openrun.core.types import RunStatus
from openrun.flow import Flow
from tests.server.site import hook_flow, site

KEYED = {"scheme": "header", "name": "X-Key", "secret": "shop"}


async def test_another_request_under_the_same_id_is_refused_and_starts_nothing() -> None:
    async with site(flows=[hook_flow()]) as it:
        under = {"Idempotency-Key": '"order-7"'}
        first = await it.hook("/greet/ada", {"order": 7}, headers=under)
        other = await it.hook("/greet/ada", {"order": 8}, headers=under)
        again = await it.hook("/greet/ada", {"order": 7}, headers=under)
        assert (first.status, other.status, again.status) == (202, 409, 202)
        assert again.json["run_id"] == first.json["run_id"]
        assert (await it.app.store.counts())[RunStatus.SUCCEEDED] == 1


@pytest.mark.parametrize(("name", "status"), [("team/shop", 202), ("shop", 503), ("other/shop", 503)])
async def test_a_webhook_has_the_secrets_of_its_own_namespace_alone(name: str, status: int) -> None:
    async with site(secrets={name: "hush"}) as it:
        document = hook_flow(path="/signed", signature=KEYED)
        await it.app.space("team").add_flow(Flow.from_json(json.dumps(document)))
        await it.server.flows_changed()
        assert (await it.hook("/@team/signed", headers={"X-Key": "hush"})).status == status
