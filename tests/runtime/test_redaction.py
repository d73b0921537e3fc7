"""Whatever secrets there are, their values are taken out of what is kept."""

import base64
from urllib.parse import quote

import pytest

from openrun.runtime.secrets import Redactor

VALUES = {
    "password": 'p"ass wörd/+',
    "token": "or_0123456789abcdef",
    "certificate": "-----BEGIN-----\n" + "MIIC+/=abc" * 8_000,
}


@pytest.mark.parametrize("name", VALUES)
def test_a_secret_of_any_size_is_masked_however_it_is_spelled(name: str) -> None:
    many = {f"{name}{number}": f"{value}{number}" for name, value in VALUES.items() for number in range(20)}
    redactor = Redactor(many)
    value = many[f"{name}7"]
    for spelled in (value, quote(value, safe=""), base64.b64encode(f"user:{value}".encode()).decode()):
        kept = redactor.masked(f"before {spelled} after")
        assert value not in kept
        assert "***" in kept
        assert len(kept) < 60


def test_what_holds_no_secret_stays_as_it_is() -> None:
    text = "lorem ipsum /+=" * 1_000
    assert Redactor(VALUES).masked({"said": [text, 7, None]}) == {"said": [text, 7, None]}
