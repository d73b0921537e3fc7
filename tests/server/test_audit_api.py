"""The audit log over HTTP: what was done and refused, whose it is to read, and whether it is as it was written."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from openrun.server import audit, flows
from openrun.server.access import Role
from openrun.store.books import AuditFilter, AuditRow
from tests.server.site import Site, hook_flow, site

ROUTES = (*audit.ROUTES, *flows.ROUTES)


@pytest_asyncio.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Site]:
    """A site over a file, with one flow in each of two namespaces."""
    async with site(str(tmp_path / "openrun.db"), routes=ROUTES) as made:
        for namespace in ("default", "shop"):
            await upload(made, namespace)
        yield made


async def upload(s: Site, namespace: str = "default", **headers: str) -> int:
    sent = {"OpenRun-Namespace": namespace, **headers}
    return (await s.call("POST", "/v1/flows", body=hook_flow(), headers=sent)).status


async def count(s: Site, rows: int) -> None:
    """Fill the log up to so many rows."""
    row = AuditRow(
        at=1, namespace="default", actor="a", actor_id="k", role="admin", action="x", resource="", status=200,
        request_id="r",
    )  # fmt: skip
    have = len(await s.app.store.audit(AuditFilter(limit=rows)))
    await s.app.store.add_audit([row] * (rows - have))


def tamper(path: Path, sql: str) -> None:
    """Change the log as one who has the file, and takes away what stands in the way."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_changed")
        connection.execute("DROP TRIGGER audit_is_not_removed")
        connection.execute(sql)


# -- reading --------------------------------------------------------------------------------------


async def test_what_was_done_is_listed_with_who_and_what_came_of_it(watched: Site) -> None:
    assert await upload(watched, **{"X-Request-ID": "mine", "If-None-Match": "*"}) == 412
    newest, *_rest = (await watched.call("GET", "/v1/audit")).json["items"]
    assert (newest["actor"], newest["role"], newest["action"]) == ("admin", "admin", "flows.upload")
    assert (newest["status"], newest["request_id"], newest["remote"]) == (412, "mine", "127.0.0.1")
    assert newest["at"].endswith("Z")
    assert newest["details"] == {}


async def test_a_change_that_could_not_be_made_is_listed_as_refused(watched: Site) -> None:
    assert (await watched.call("POST", "/v1/flows/nothing/disable")).status == 404
    newest, *_rest = (await watched.call("GET", "/v1/audit?action=flows.disable")).json["items"]
    assert (newest["resource"], newest["status"]) == ("flow/nothing", 404)


async def test_rows_are_listed_newest_first_page_by_page_and_by_actor_or_action(watched: Site) -> None:
    await count(watched, 7)
    shown, path = [], "/v1/audit?limit=3"
    while path:
        got = await watched.call("GET", path)
        shown += [each["number"] for each in got.json["items"]]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert shown == [7, 6, 5, 4, 3, 2, 1]
    for query, rows in (("action=flows.upload", 2), ("actor=a", 5), ("actor=nobody", 0)):
        assert len((await watched.call("GET", f"/v1/audit?{query}")).json["items"]) == rows


async def test_who_is_of_one_namespace_reads_its_rows_alone(watched: Site) -> None:
    key = await watched.key_for(Role.AUDITOR, "shop")
    rows = (await watched.call("GET", "/v1/audit", key=key)).json["items"]
    assert [row["namespace"] for row in rows] == ["shop"]
    everything = (await watched.call("GET", "/v1/audit")).json["items"]
    assert {row["namespace"] for row in everything} == {"shop", "default"}
    asked = await watched.call("GET", "/v1/audit", headers={"OpenRun-Namespace": "shop"})
    assert [row["namespace"] for row in asked.json["items"]] == ["shop"]


async def test_only_auditors_and_admins_read_the_log(watched: Site) -> None:
    for role in (Role.USER, Role.OPERATOR, Role.DEVELOPER):
        key = await watched.key_for(role)
        assert (await watched.call("GET", "/v1/audit", key=key)).status == 403
        assert (await watched.call("GET", "/v1/audit/verify", key=key)).status == 403


@pytest.mark.parametrize("query", ["actor=%00", "actor=", "action=%0A", "cursor=W10", "rows=0"])
async def test_a_question_that_cannot_be_is_refused(watched: Site, query: str) -> None:
    assert (await watched.call("GET", f"/v1/audit?{query}")).status == 400


# -- verifying ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 999, 1_000, 1_001, 2_500])
async def test_a_log_of_any_length_is_what_was_written(watched: Site, rows: int) -> None:
    await count(watched, rows)
    got = (await watched.call("GET", "/v1/audit/verify")).json
    (newest,) = (await watched.call("GET", "/v1/audit?limit=1")).json["items"]
    assert (got["valid"], got["rows"], got["last"], got["head"]) == (True, rows, rows, newest["hash"])


async def test_as_many_of_the_newest_rows_are_looked_at_as_asked_for(watched: Site, tmp_path: Path) -> None:
    await count(watched, 20)
    tamper(tmp_path / "openrun.db", "UPDATE audit SET actor = 'nobody' WHERE number = 5")
    for rows, valid in ((1, True), (15, True), (16, False)):
        got = (await watched.call("GET", f"/v1/audit/verify?rows={rows}")).json
        assert (got["valid"], got["rows"]) == (valid, rows)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET actor = 'nobody' WHERE number = 1500",
        "UPDATE audit SET status = 201 WHERE number = 1500",
        "DELETE FROM audit WHERE number = 1500",
    ],
    ids=["changed name", "changed status", "taken out"],
)
async def test_a_row_that_is_not_as_it_was_is_found(watched: Site, tmp_path: Path, sql: str) -> None:
    await count(watched, 2_500)
    tamper(tmp_path / "openrun.db", sql)
    got = (await watched.call("GET", "/v1/audit/verify")).json
    assert (got["valid"], got["broken_at"]) == (False, 1500)
    assert "1500" in got["reason"]


async def test_an_empty_log_is_what_was_written() -> None:
    async with site(routes=ROUTES) as empty:
        got = (await empty.call("GET", "/v1/audit/verify")).json
    assert (got["valid"], got["rows"], got["last"], got["head"]) == (True, 0, 0, "")


async def test_verifying_takes_a_key_for_all_namespaces(watched: Site) -> None:
    key = await watched.key_for(Role.AUDITOR, "shop")
    assert (await watched.call("GET", "/v1/audit/verify", key=key)).status == 403
