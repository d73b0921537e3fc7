"""`openrun keys`, and `openrun doctor --strict`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from openrun.app import App
from openrun.flow import Flow
from openrun.server.access import Principal
from openrun.server.keyring import Keyring
from tests.cli.conftest import Invoke
from tests.cli.serving import hook


def holder(key: str) -> Principal | None:
    """Whom the store takes the holder of this key for."""

    async def ask() -> Principal | None:
        async with App("openrun.db", work=False) as app:
            return await Keyring(app.store, app.clock).principal(key)

    return asyncio.run(ask())


def created(invoke: Invoke, *arguments: str) -> dict[str, Any]:
    result = invoke("keys", "create", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_a_key_is_shown_once_and_opens_what_its_role_allows(invoke: Invoke) -> None:
    result = invoke("keys", "create", "--name", "ci")
    key = result.stdout.strip()
    assert key.startswith("or_")
    assert "it is shown this once" in result.stderr
    found = holder(key)
    assert found is not None
    assert (found.name, found.role, found.namespace) == ("ci", "operator", "default")
    listed = invoke("keys", "ls")
    assert "ci" in listed.stdout
    assert key not in listed.stdout
    assert key not in invoke("keys", "ls", "--json").stdout


def test_scopes_narrow_the_role_and_a_key_may_be_for_all_namespaces(invoke: Invoke) -> None:
    wish = ("--role", "user", "--scope", "runs:read", "--namespace", "*", "--expires", "90d")
    made = created(invoke, "--name", "reader", *wish)
    found = holder(made["key"])
    assert found is not None
    assert found.scopes == {"runs:read"}
    assert found.reaches("anything")
    assert made["scopes"] == ["runs:read"]
    assert made["expires_at"].startswith("20")
    assert "hash" not in made


def test_a_key_that_is_revoked_opens_nothing(invoke: Invoke) -> None:
    made = created(invoke, "--name", "gone")
    assert invoke("keys", "revoke", made["key_id"]).exit_code == 0
    assert holder(made["key"]) is None
    again = invoke("keys", "revoke", made["key_id"])
    assert again.exit_code == 4
    assert "was revoked before" in again.stderr
    assert "gone" not in invoke("keys", "ls").stdout
    assert "revoked" in invoke("keys", "ls", "--all").stdout
    (row,) = json.loads(invoke("keys", "ls", "--all", "--json").stdout)
    assert row["state"] == "revoked"


def test_a_key_is_named_by_the_beginning_of_its_id_when_no_other_begins_so(invoke: Invoke) -> None:
    one, _other = created(invoke, "--name", "one"), created(invoke, "--name", "other")
    assert "give more of the id" in invoke("keys", "revoke", one["key_id"][:4]).stderr
    assert json.loads(invoke("keys", "revoke", one["key_id"], "--json").stdout)["name"] == "one"
    assert invoke("keys", "revoke", "nobody").exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--name", ""), "1 to 100"),
        (("--name", "a\nb"), "printable"),
        (("--name", "a", "--namespace", "No Such"), "--namespace"),
        (("--name", "a", "--role", "user", "--scope", "keys:admin"), "has no scope 'keys:admin'"),
        (("--name", "a", "--expires", "soon"), "--expires: 'soon' is no duration"),
        (("--name", "a", "--expires", "0"), "lasts for more than nothing"),
    ],
)
def test_what_cannot_be_is_refused_and_no_store_is_made(
    invoke: Invoke, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = invoke("keys", "create", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (folder / "openrun.db").exists()


def test_keys_of_a_store_that_is_not_there_are_not_listed(invoke: Invoke, folder: Path) -> None:
    assert invoke("keys", "ls").exit_code == 3
    assert not (folder / "openrun.db").exists()


# -- doctor --strict ------------------------------------------------------------------------------


def test_the_strict_doctor_tells_what_strangers_could_use_and_exits_with_1(invoke: Invoke) -> None:
    created(invoke, "--name", "ci")

    async def keep() -> None:
        async with App("openrun.db", work=False) as app:
            await app.add_flow(Flow.from_json(json.dumps(hook())))

    asyncio.run(keep())
    assert invoke("doctor").exit_code == 0
    result = invoke("doctor", "--strict")
    assert result.exit_code == 1
    assert "✗ anyone may call the webhook /greet/{name} of flow 'hello'" in result.stdout
    assert "✗ key 'ci'" in result.stdout
    assert len(json.loads(invoke("doctor", "--strict", "--json").stdout)["weaknesses"]) == 2


def test_the_strict_doctor_says_so_when_there_is_nothing(invoke: Invoke) -> None:
    created(invoke, "--name", "root", "--role", "admin", "--namespace", "*")
    result = invoke("doctor", "--strict")
    assert result.exit_code == 0
    assert "✓ nothing that strangers could use" in result.stdout
    assert "owners" in result.stdout
