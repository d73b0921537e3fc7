"""`openrun keys`, and `openrun doctor --strict`."""

import asyncio
import json
import sqlite3
from contextlib import closing
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


# -- the audit log ---------------------------------------------------------------------------------


def audited(invoke: Invoke) -> list[dict[str, Any]]:
    """The rows of the audit log, the newest first."""
    result = invoke("audit", "--json")
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    return rows


def test_keys_that_are_made_and_revoked_here_are_in_the_audit_log_and_the_keys_are_not(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    made = created(invoke, "--name", "ci", "--namespace", "shop")
    assert invoke("keys", "revoke", made["key_id"], "--by", "bob").exit_code == 0
    revoked, create = audited(invoke)
    assert [create[name] for name in ("actor", "action", "status")] == ["ada", "keys.create", 201]
    assert [revoked[name] for name in ("actor", "action", "status")] == ["bob", "keys.revoke", 200]
    for row in (revoked, create):
        assert (row["namespace"], row["resource"]) == ("shop", f"key/{made['key_id']}")
        assert (row["role"], row["request_id"], row["remote"]) == ("cli", "cli", None)
        assert made["key"] not in json.dumps(row)
    assert invoke("audit", "verify").exit_code == 0


def test_what_was_not_done_with_keys_is_not_in_the_audit_log(invoke: Invoke) -> None:
    made = created(invoke, "--name", "root", "--namespace", "*")
    (row,) = audited(invoke)
    assert row["namespace"] == "default"
    assert invoke("keys", "create", "--name", "").exit_code == 2
    assert invoke("keys", "create", "--name", "ci", "--by", " ").exit_code == 2
    assert invoke("keys", "revoke", "nobody").exit_code == 3
    invoke("keys", "revoke", made["key_id"])
    assert invoke("keys", "revoke", made["key_id"]).exit_code == 4
    assert [each["action"] for each in audited(invoke)] == ["keys.revoke", "keys.create"]


def test_a_key_is_shown_though_the_audit_log_takes_nothing(invoke: Invoke) -> None:
    created(invoke, "--name", "first")
    with closing(sqlite3.connect("openrun.db", isolation_level=None)) as connection:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
    result = invoke("keys", "create", "--name", "second")
    assert result.exit_code == 0
    assert holder(result.stdout.strip()) is not None
    assert "the audit log took no row for keys.create" in result.stderr


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
