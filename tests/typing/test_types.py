"""What is documented type-checks for users whose mypy has no pydantic plugin."""

import re
import subprocess
import sys
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest

from openrun.core.types import EffectClass, JoinMode, Losers, OnFailure, OnItemError
from openrun.steps import spelling
from tests.docs.blocks import ROOT, blocks_of
from tests.docs.test_first_readme import BLOCKS as FIRST_README

HERE = Path(__file__).parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
SECONDS = 300
# Pages redefine their names from block to block, and the first README has a function without annotations.
FOR_PAGES = ("--allow-redefinition", "--allow-untyped-defs", "--allow-untyped-calls")
_AWAITS = re.compile(r"^(async with |await |\S.*\bawait )", re.MULTILINE)
AROUND = """\
from openrun import Flow, Step, StepSetState, TriggerWebhook
async def block(
    flow: Flow, trigger: TriggerWebhook, step_a: Step, step_b: Step, admin_step: Step, user_step: Step
) -> None:
"""


def complaints(*paths: Path, options: tuple[str, ...] = ()) -> str:
    """What mypy says of these files, whole."""
    done = subprocess.run(  # noqa: S603 (our own files)
        [sys.executable, "-m", "mypy", "--config-file", HERE / "plain.ini", *options, *paths],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_documented_spellings_are_right_and_their_mistakes_are_errors() -> None:
    assert complaints(HERE / "public_api.py") == ""


def test_the_examples_type_check() -> None:
    assert complaints(*sorted(ROOT.glob("examples/*.py"))) == ""


def test_the_pages_and_the_first_readme_type_check(tmp_path: Path) -> None:
    for page in PAGES:
        blocks = [block.text for block in blocks_of(page) if block.language == "python"]
        text = "\n".join(blocks)
        if _AWAITS.search(text):
            # Such pages await where no function is, as a notebook does.
            text = "async def page() -> None:\n" + textwrap.indent(text, "    ")
        (tmp_path / f"page_{page.stem}.py").write_text(text)
    for at, block in enumerate(FIRST_README):
        (tmp_path / f"first_{at}.py").write_text(AROUND + textwrap.indent(block.text, "    "))
    assert complaints(*sorted(tmp_path.iterdir()), options=FOR_PAGES) == ""


@pytest.mark.parametrize(
    ("names", "members"),
    [
        (spelling.JoinModeName, JoinMode),
        (spelling.LosersName, Losers),
        (spelling.OnFailureName, OnFailure),
        (spelling.OnItemErrorName, OnItemError),
        (spelling.EffectName, EffectClass),
    ],
)
def test_a_checker_knows_every_name_of_an_enum(names: Any, members: type[StrEnum]) -> None:
    assert get_args(names) == tuple(members)
