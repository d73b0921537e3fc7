"""docs/interpolation.md names every filter and every test there is, and no other."""

import re

from openrun.core.interpolation.checks import CHECKS
from openrun.core.interpolation.filters import FILTERS
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "interpolation.md").read_text()


def named_under(heading: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    section = PAGE.partition(f"### {heading}\n")[2].partition("\n#")[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    return {re.split(r"[(]", name)[0] for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_filter_is_told_of() -> None:
    assert named_under("Filters") == FILTERS.keys()


def test_every_test_is_told_of() -> None:
    assert named_under("Tests") == CHECKS.keys()
