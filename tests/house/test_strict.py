"""What strangers could use is told, with the way out."""

from typing import Any

import pytest

from openrun.app import App
from openrun.flow import Flow
from openrun.house.strict import Hook, Stand, hooks_of, weaknesses
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.store.books import KeyRow
from openrun.store.memory import MemoryStore
from openrun.store.sqlite import SqliteStore

NOW = 1_700_000_000_000
ON_DISK = SqliteStore("x.db")
SIGNED: dict[str, Any] = {"signature": {"scheme": "github", "secret": "gh"}}


def hook(namespace: str = "default", **config: Any) -> Hook:
    return Hook(
        namespace=namespace,
        flow_id="shop",
        config=TriggerWebhookConfig.model_validate({"path": "/in", **config}),
    )


def key(name: str, role: str = "operator", namespace: str = "default", **more: Any) -> KeyRow:
    return KeyRow(
        key_id=f"id-{name}", namespace=namespace, name=name, hash=name, role=role, created_at=NOW, **more
    )


def flow(flow_id: str, **config: Any) -> Flow:
    steps = [
        {"id": "hook", "type": "trigger_webhook", "config": {"path": f"/{flow_id}", **config}},
        {"id": "say", "type": "reply"},
    ]
    edges = [{"source": "hook", "target": "say"}]
    return Flow.from_dict({"id": flow_id, "name": flow_id, "steps": steps, "edges": edges})


def test_a_store_that_is_kept_with_signed_webhooks_and_keys_that_expire_has_none() -> None:
    keys = [key("root", "admin", "*"), key("ci", expires_at=NOW + 1)]
    stand = Stand(is_loopback=False, names_hosts=True, reloads=False)
    assert weaknesses(ON_DISK, [hook(**SIGNED)], keys, NOW, stand) == ()


def test_a_store_in_memory_is_one() -> None:
    (weak,) = weaknesses(MemoryStore(), [], [], NOW)
    assert "kept in memory" in weak


def test_each_webhook_that_anyone_may_call_is_one() -> None:
    assert weaknesses(ON_DISK, [hook(), hook("acme")], [], NOW) == (
        "anyone may call the webhook /in of flow 'shop': give it a `signature`",
        "anyone may call the webhook /in of flow 'acme/shop': give it a `signature`",
    )


def test_keys_that_never_expire_are_but_for_one_admins() -> None:
    keys = [key("ci"), key("root", "admin", "*"), key("ops", "admin"), key("brief", expires_at=NOW + 1)]
    found = weaknesses(ON_DISK, [], keys, NOW)
    assert [each.partition("(")[0] for each in found] == ["key 'ci' ", "key 'ops' "]
    assert all("never expires" in each for each in found)


def test_a_second_admins_key_for_all_namespaces_is_one() -> None:
    keys = [key("late", "admin", "*", expires_at=NOW + 1), key("first", "admin", "*")]
    (weak,) = weaknesses(ON_DISK, [], keys, NOW)
    assert "openrun keys revoke id-late" in weak


@pytest.mark.parametrize("over", [{"revoked_at": NOW - 1}, {"expires_at": NOW}])
def test_keys_that_are_over_are_none(over: dict[str, Any]) -> None:
    assert weaknesses(ON_DISK, [], [key("a", **over), key("b", "admin", "*", **over)], NOW) == ()


def test_how_a_server_stands_is_looked_at_when_it_is_known() -> None:
    stand = Stand(is_loopback=False, names_hosts=False, reloads=True)
    hosts, reloads = weaknesses(ON_DISK, [], [], NOW, stand)
    assert "--allow-host" in hosts
    assert "--reload" in reloads
    assert weaknesses(ON_DISK, [], [], NOW, Stand(is_loopback=True, names_hosts=False, reloads=False)) == ()


async def test_webhooks_are_those_of_flows_that_are_enabled() -> None:
    async with App(MemoryStore(), flows=[flow("open"), flow("signed", **SIGNED)], work=False) as app:
        await app.space("acme").add_flow(flow("theirs"))
        await app.add_flow(flow("off"))
        await app.store.enable("off", enabled=False)
        found = await hooks_of(app.store, app.library)
    assert {(each.namespace, each.flow_id, each.config.proof() is None) for each in found} == {
        ("default", "open", True),
        ("default", "signed", False),
        ("acme", "theirs", True),
    }
