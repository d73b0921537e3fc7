import base64
import hmac
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from openrun.steps.triggers.signature import Signature
from openrun.triggers.base import Arrival
from openrun.triggers.refusals import BadSignature, MissingSecret
from openrun.triggers.signatures import verify

from .given import ALL_PARTS, KEYS, NOW, SCHEMES, SIGNING, TIMED, a_request, proving, signed, with_header

BODY = '{"id": "evt_1", "amount": 5, "to": "Zoë"}'
REQUEST = a_request(BODY)
_SIGNATURE: TypeAdapter[Signature] = TypeAdapter(Signature)


def checked(
    proof: dict[str, Any], arrival: Arrival, secrets: dict[str, str] | None = None, now: float = NOW
) -> str | None:
    return verify(_SIGNATURE.validate_python(proof), arrival, KEYS if secrets is None else secrets, now)


def refused(
    proof: dict[str, Any], arrival: Arrival, secrets: dict[str, str] | None = None, now: float = NOW
) -> str:
    """The reason, which only our own log has: what the caller is told says nothing."""
    with pytest.raises(BadSignature) as caught:
        checked(proof, arrival, secrets, now)
    assert str(caught.value) == "the request does not prove that it comes from who may send it"
    assert not any(key in caught.value.reason for key in KEYS.values())
    return caught.value.reason


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_a_sender_signs_is_taken(scheme: str) -> None:
    delivery = checked(proving(scheme), signed(scheme, REQUEST))
    assert delivery == {"standard": "msg_1", "hmac": "evt-1"}.get(scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_empty_body_is_signed_like_any_other(scheme: str) -> None:
    checked(proving(scheme), signed(scheme, a_request()))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_active_secret_is_taken_and_no_other(scheme: str) -> None:
    both, other = proving(scheme), "whsec_" + base64.b64encode(b"x" * 24).decode()
    checked(both, signed(scheme, REQUEST, KEYS["old"]))
    assert refused(both, signed(scheme, REQUEST, other)) == "no signature matches any of the secrets"
    only = {**both, "secrets": ["new"]}
    refused(only, signed(scheme, REQUEST, KEYS["old"]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_request_without_any_proof_is_refused(scheme: str) -> None:
    assert "is there 0 times" in refused(proving(scheme), REQUEST)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_header_that_is_there_twice_is_refused(scheme: str) -> None:
    whole = signed(scheme, REQUEST)
    passed_over = {"x-github-delivery"}
    for header in whole.headers:
        if header[0].lower() not in passed_over:
            twice = replace(whole, headers=(*whole.headers, header))
            assert refused(proving(scheme), twice) == f"header {header[0].lower()} is there 2 times, not once"


@pytest.mark.parametrize("scheme", SIGNING)
@given(data=st.data())
def test_no_byte_of_the_body_can_be_changed(scheme: str, data: st.DataObject) -> None:
    whole = signed(scheme, REQUEST)
    at = data.draw(st.integers(0, len(whole.body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole.body[at]))
    refused(proving(scheme), replace(whole, body=whole.body[:at] + bytes([byte]) + whole.body[at + 1 :]))


@pytest.mark.parametrize("scheme", SIGNING)
@given(more=st.binary(min_size=1, max_size=4), cut=st.integers(1, 8))
def test_nothing_can_be_added_to_the_body_or_cut_off(scheme: str, more: bytes, cut: int) -> None:
    whole = signed(scheme, REQUEST)
    for body in (whole.body + more, more + whole.body, whole.body[:-cut], whole.body[cut:]):
        refused(proving(scheme), replace(whole, body=body))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_no_character_of_what_proves_it_can_be_changed(scheme: str, data: st.DataObject) -> None:
    whole = signed(scheme, REQUEST)
    headers = [each for each in whole.headers if each[0] != "X-GitHub-Delivery"]
    name, value = data.draw(st.sampled_from(headers))
    # What is not read may change: the signature of another version, which Stripe sends along.
    most = value.index(",v0=") if scheme == "stripe" else len(value)
    at = data.draw(st.integers(0, most - 1))
    # Its hex may be in capitals, where the scheme is the author's own; that of `Basic` is as well.
    same = {value[at].lower(), value[at].upper()}
    character = data.draw(
        st.characters(min_codepoint=32, max_codepoint=0x17F).filter(lambda each: each not in same)
    )
    refused(proving(scheme), with_header(whole, name, value[:at] + character + value[at + 1 :]))


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("away", [300, -300, 0])
def test_a_timestamp_may_be_away_as_far_as_is_tolerated(scheme: str, away: int) -> None:
    checked(proving(scheme), signed(scheme, REQUEST, at=NOW + away))


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("away", [301, -301, -NOW, 10**11 - NOW])
def test_a_timestamp_that_is_further_away_is_refused(scheme: str, away: int) -> None:
    late = signed(scheme, REQUEST, at=NOW + away)
    assert refused(proving(scheme), late) == "the timestamp is too far from now"


@pytest.mark.parametrize("scheme", TIMED)
def test_how_much_is_tolerated_is_up_to_the_config(scheme: str) -> None:
    strict = {**proving(scheme), "tolerance_seconds": "10s"}
    checked(strict, signed(scheme, REQUEST, at=NOW - 10), now=NOW)
    refused(strict, signed(scheme, REQUEST, at=NOW - 10), now=NOW + 0.5)


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize(
    "text", ["", "now", "-5", "+5", "1e9", "1767225600.0", "1_767_225_600", "٣", "9" * 13, " "]
)
def test_a_timestamp_in_other_words_is_refused(scheme: str, text: str) -> None:
    name = {
        "standard": "webhook-timestamp", "stripe": "Stripe-Signature", "slack": "X-Slack-Request-Timestamp", "hmac": "X-Time"
    }[scheme]  # fmt: skip
    value = f"t={text},v1=00" if scheme == "stripe" else text
    wrong = with_header(signed(scheme, REQUEST), name, value)
    assert refused(proving(scheme), wrong) == "the timestamp is not in Unix seconds"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_secret_without_a_value_is_not_the_callers_fault(scheme: str) -> None:
    whole = signed(scheme, REQUEST)
    for secrets in ({}, {"new": "", "old": ""}, {"old": KEYS["old"]}):
        with pytest.raises(MissingSecret) as caught:
            checked(proving(scheme), whole, secrets)
        assert (caught.value.secret, caught.value.reason) == ("new", "secret 'new' has no value")
        assert "new" not in str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_secret_without_a_value_does_not_keep_the_other_from_working(scheme: str) -> None:
    checked(proving(scheme), signed(scheme, REQUEST, KEYS["old"]), {"old": KEYS["old"]})


@pytest.mark.parametrize("scheme", ["github", "stripe", "slack", "header", "basic"])
@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_nobody_can_sign_with_an_empty_secret(scheme: str, empty: str) -> None:
    with pytest.raises(MissingSecret):
        checked(proving(scheme), signed(scheme, REQUEST, empty), {"new": empty, "old": empty})


# -- Standard Webhooks --------------------------------------------------------------------------------


def standard(**headers: str) -> Arrival:
    """A signed request with some of its headers replaced."""
    whole = signed("standard", REQUEST)
    for name, value in headers.items():
        whole = with_header(whole, f"webhook-{name}", value)
    return whole


def test_the_example_of_standard_webhooks_is_taken() -> None:
    headers = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    arrival = a_request('{"test": 2432232314}', headers)
    assert checked(proving("standard"), arrival, now=1_614_265_330) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_any_of_several_signatures_will_do() -> None:
    good = dict(standard().headers)["webhook-signature"]
    checked(
        proving("standard"),
        standard(
            signature=f"v1,{'A' * 43}= v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {good}"
        ),
    )
    checked(proving("standard"), standard(signature=f"{good} {good}"))


@pytest.mark.parametrize(
    "change", ["v1a,{}", "v2,{}", "{}", "v1{}", "V1,{}", "v1,{}\u00e4", ",{}", "v1, {}", ""]
)
def test_signatures_of_other_versions_prove_nothing(change: str) -> None:
    good = dict(standard().headers)["webhook-signature"].removeprefix("v1,")
    refused(proving("standard"), standard(signature=change.format(good)))


def test_the_same_bytes_in_another_base64_are_another_signature() -> None:
    good = dict(standard().headers)["webhook-signature"]
    for other in (good.rstrip("="), good.replace("+", "-").replace("/", "_") + "=", good + "="):
        refused(proving("standard"), standard(signature=other))


def test_more_signatures_than_anybody_sends_are_refused() -> None:
    good = dict(standard().headers)["webhook-signature"]
    checked(proving("standard"), standard(signature=" ".join(["v1,A"] * 31 + [good])))
    assert "more than 32" in refused(
        proving("standard"), standard(signature=" ".join(["v1,A"] * 32 + [good]))
    )


@pytest.mark.parametrize("delivery", ["", "a.b", ".", "a b", "ä", "a" * 257, "\udcff", "a\x00"])
def test_an_id_that_could_be_read_in_two_ways_is_none(delivery: str) -> None:
    assert refused(proving("standard"), standard(id=delivery)) == "header webhook-id is no id"


def test_an_id_cannot_borrow_from_the_timestamp_or_the_body() -> None:
    """The same signed bytes, cut elsewhere: `msg_1.<then>.<now>.…` is an old delivery if the id may have a dot."""
    body = f"{NOW}.{BODY}".encode()
    whole = signed("standard", a_request(body), at=NOW - 10_000)
    cut = with_header(
        with_header(whole, "webhook-id", f"msg_1.{NOW - 10_000}"), "webhook-timestamp", str(NOW)
    )
    refused(proving("standard"), replace(cut, body=BODY.encode()))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("whsec_not base64", "is not base64"),
        ("whsec_==", "is not base64"),
        ("whsec_MfKQ!9r8", "is not base64"),
        ("whsec_a", "is not base64"),
        ("whsec_ä", "is not base64"),
        ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "ed25519"),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "ed25519"),
    ],
)
def test_a_secret_that_is_no_key_is_the_operators_fault(key: str, reason: str) -> None:
    with pytest.raises(MissingSecret, match="try again later") as caught:
        checked({"scheme": "standard", "secrets": ["new"]}, standard(), {"new": key})
    assert reason in caught.value.reason
    assert key not in caught.value.reason


def test_a_key_may_come_without_its_prefix_and_without_padding() -> None:
    key = base64.b64encode(b"k" * 25).decode()
    whole = signed("standard", REQUEST, f"whsec_{key}")
    for given_as in (key, key.rstrip("="), f"whsec_{key}", f"whsec_{key.rstrip('=')}"):
        checked({"scheme": "standard", "secrets": ["new"]}, whole, {"new": given_as})


# -- GitHub, Stripe, Slack ----------------------------------------------------------------------------


def test_the_example_of_githubs_documentation_is_taken() -> None:
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    arrival = a_request("Hello, World!", {"X-Hub-Signature-256": f"sha256={digest}"})
    checked({"scheme": "github", "secret": "gh"}, arrival, {"gh": "It's a Secret to Everybody"})


def test_the_example_of_slacks_documentation_is_taken() -> None:
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        "X-Slack-Request-Timestamp": "1531420618",
    }
    secrets = {"slack": "8f742231b10e8888abcd99yyyzzz85a5"}
    checked({"scheme": "slack", "secret": "slack"}, a_request(body, headers), secrets, 1_531_420_618)


def test_any_v1_of_stripes_signatures_will_do_and_no_other_version() -> None:
    good = dict(signed("stripe", REQUEST).headers)["Stripe-Signature"]
    digest = good.split("v1=")[1].split(",")[0]

    def arrival(value: str) -> Arrival:
        return a_request(BODY, {"Stripe-Signature": value})

    for value in (f"t={NOW},v1=00,v1={digest}", f"v1={digest},t={NOW}", f"t={NOW}, v1={digest}"):
        checked(proving("stripe"), arrival(value))
    for value in (f"t={NOW},v0={digest}", f"t={NOW}", f"t={NOW},{digest}", f"t={NOW},v1"):
        assert "no signature matches" in refused(proving("stripe"), arrival(value))
    for value in (f"v1={digest}", f"t={NOW},t={NOW},v1={digest}", ""):
        assert refused(proving("stripe"), arrival(value)) == "stripe-signature needs one t="
    assert "more than 32" in refused(proving("stripe"), arrival(f"t={NOW}" + ",v1=0" * 32))


# -- HMAC of one's own, headers, passwords ------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sig="])
def test_a_signature_may_be_made_in_many_ways(algorithm: str, encoding: str, prefix: str) -> None:
    digest = hmac.new(b"key", REQUEST.body, algorithm).digest()
    text = prefix + (digest.hex() if encoding == "hex" else base64.b64encode(digest).decode())
    made = {"algorithm": algorithm, "encoding": encoding, "prefix": prefix}
    proof = {"scheme": "hmac", "secret": "k", "header": "X-Sig", **made}
    assert checked(proof, a_request(BODY, {"x-sig": text}), {"k": "key"}) is None
    refused(proof, a_request(BODY, {"x-sig": text + "0"}), {"k": "key"})


def test_hex_may_be_in_capitals_and_base64_and_prefixes_may_not() -> None:
    digest = hmac.new(b"key", REQUEST.body, "sha256").digest()
    proof = {"scheme": "hmac", "secret": "k", "header": "X-Sig", "prefix": "s="}
    checked(proof, a_request(BODY, {"X-Sig": "s=" + digest.hex().upper()}), {"k": "key"})
    refused(proof, a_request(BODY, {"X-Sig": "S=" + digest.hex()}), {"k": "key"})
    text = base64.b64encode(digest).decode()
    based = {**proof, "prefix": "", "encoding": "base64"}
    refused(based, a_request(BODY, {"X-Sig": text.swapcase()}), {"k": "key"})


@pytest.mark.parametrize(
    ("template", "signed_bytes"),
    [
        ("v0:{timestamp}:{body}", b"v0:1767225600:BODY"),
        ("{body}.{timestamp}", b"BODY.1767225600"),
        ("POST {body}!", b"POST BODY!"),
    ],
)
def test_what_is_signed_is_up_to_the_template(template: str, signed_bytes: bytes) -> None:
    digest = hmac.new(b"key", signed_bytes, "sha256").hexdigest()
    proof = {"scheme": "hmac", "secret": "k", "header": "X-Sig", "signed": template}
    if "{timestamp}" in template:
        proof["timestamp_header"] = "X-Time"
    arrival = a_request("BODY", {"X-Sig": digest, "X-Time": str(NOW)})
    checked(proof, arrival, {"k": "key"})
    refused(proof, replace(arrival, body=b"BODY2"), {"k": "key"})


def test_a_template_is_not_looked_for_in_what_it_is_filled_with() -> None:
    body = b"{timestamp} {id}"
    digest = hmac.new(b"key", body, "sha256").hexdigest()
    checked(
        {"scheme": "hmac", "secret": "k", "header": "X-Sig"}, a_request(body, {"X-Sig": digest}), {"k": "key"}
    )


@pytest.mark.parametrize("delivery", ["a.b", ".", "a:b", ""])
def test_an_id_has_none_of_the_marks_that_set_it_apart(delivery: str) -> None:
    proof = {**ALL_PARTS, "secrets": ["new"], "signed": "{id}.{timestamp}:{body}"}
    assert refused(proof, a_request(BODY, {"X-Id": delivery, "X-Time": str(NOW)})) == "header x-id is no id"


def test_a_secret_in_a_header_may_have_a_prefix() -> None:
    proof = {"scheme": "header", "name": "Authorization", "prefix": "Bearer ", "secret": "k"}
    secrets = {"k": "s3cret"}
    checked(proof, a_request(headers={"authorization": "Bearer s3cret"}), secrets)
    for value in (
        "s3cret",
        "Bearer",
        "Bearer ",
        "bearer s3cret",
        "Bearer s3cret2",
        "Bearer  s3cret",
        "Bearer s3cre",
    ):
        refused(proof, a_request(headers={"authorization": value}), secrets)


def test_a_secret_may_be_any_text() -> None:
    proof = {"scheme": "header", "name": "X-Key", "secret": "k"}
    checked(proof, a_request(headers={"X-Key": "pässwörd"}), {"k": "pässwörd"})
    checked(proof, a_request(headers={"X-Key": "p\udce4ss"}), {"k": "p\udce4ss"})
    refused(proof, a_request(headers={"X-Key": "p\udce4ss"}), {"k": "päss"})


@pytest.mark.parametrize(
    "value", ["Bearer c2hvcDprZXk=", "Basic", "Basic c2hvcDprZXk", "Basic eDprZXk=", "c2hvcDprZXk="]
)
def test_only_the_name_and_one_of_the_passwords_will_do(value: str) -> None:
    proof = {"scheme": "basic", "username": "shop", "secret": "k"}
    for good in ("Basic c2hvcDprZXk=", "basic  c2hvcDprZXk="):
        checked(proof, a_request(headers={"Authorization": good}), {"k": "key"})
    refused(proof, a_request(headers={"Authorization": value}), {"k": "key"})
