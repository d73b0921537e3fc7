"""The container file and the compose file name what the command has; there is nothing here that could build them."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from openrun.cli import application
from tests.cli.given import ROOT, environment
from tests.cli.serving import SECONDS, served

yaml = pytest.importorskip("yaml")

CONTAINERFILE = (ROOT / "Containerfile").read_text().replace("\\\n", "")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


def instruction(name: str) -> str:
    """What the last one of this name says."""
    return str(re.findall(rf"^{name} +(.+)$", CONTAINERFILE, re.MULTILINE)[-1]).strip()


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What the command makes of these arguments. Raises for what it does not know."""
    command = typer.main.get_command(application()).commands[arguments[0]]  # type: ignore[attr-defined]
    context = command.make_context(arguments[0], list(arguments[1:]))
    given: dict[str, Any] = context.params
    return given


def test_the_image_serves_its_folder_to_whoever_can_reach_it_as_no_root() -> None:
    assert json.loads(instruction("ENTRYPOINT")) == ["openrun"]
    given = parsed(json.loads(instruction("CMD")))
    assert (given["names"], given["host"], given["port"]) == (
        ["/flows"],
        "0.0.0.0",
        int(instruction("EXPOSE")),
    )
    assert int(instruction("USER")) > 0
    assert (instruction("STOPSIGNAL"), instruction("VOLUME")) == ("SIGTERM", "/data")
    assert "OPENRUN_STORE=/data/" in instruction("ENV")


def test_what_the_image_is_built_from_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.MULTILINE):
        for source in shlex.split(line)[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_the_health_check_passes_while_the_server_answers_and_fails_when_it_is_gone() -> None:
    check = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    with served() as server:
        check[-1] = check[-1].replace("http://127.0.0.1:8600", server.url)
        command = [sys.executable, *check[1:]]
        assert subprocess.run(command, check=False, timeout=SECONDS).returncode == 0  # noqa: S603
        assert server.stop() == 0
        gone = subprocess.run(command, check=False, timeout=SECONDS, capture_output=True)  # noqa: S603
    assert gone.returncode == 1


@pytest.mark.parametrize("name", ["server", "worker"])
def test_the_services_name_options_that_the_command_has(name: str) -> None:
    service = COMPOSE["services"][name]
    given = parsed(service["command"])
    assert given["names"] == ["/flows"]
    assert any(each.endswith(":/flows:ro") for each in service["volumes"])
    assert service["environment"]["OPENRUN_STORE"].startswith("postgresql://")


def test_the_server_takes_its_key_from_a_secret_and_leaves_runs_to_the_workers() -> None:
    service = COMPOSE["services"]["server"]
    given = parsed(service["command"])
    assert given["no_worker"]
    assert given["admin_key"] == f"file:/run/secrets/{service['secrets'][0]}"
    assert service["secrets"][0] in COMPOSE["secrets"]
    assert all(each.startswith("127.0.0.1:") for each in service["ports"])


def test_nothing_that_has_to_stay_secret_has_a_default() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)(:.)", text)) == {("POSTGRES_PASSWORD", ":?")}


def test_what_is_mounted_can_be_served(folder: Path) -> None:
    os.symlink(ROOT / "examples" / "serve", folder / "flows")  # noqa: PTH211
    with served("flows", "--secret", "github_webhook=env:GH", env={**environment(), "GH": "hush"}) as server:
        assert "POST /hooks/reports" in server.said
        assert "POST /hooks/orders/{shop}" in server.said
        assert "POST /hooks/github" in server.said
