"""Signing as Standard Webhooks has it; its own package reads what we write."""

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from openrun.net.standard_webhooks import signed_headers, signing_key

NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = '{"type":"run.failed","data":{"name":"é"}}'.encode()


def now() -> int:
    return int(time.time())


def test_the_package_of_the_standard_verifies_what_is_signed() -> None:
    headers = signed_headers("msg-1", now(), BODY, [NEW])
    assert Webhook(NEW).verify(BODY, dict(headers)) == {"type": "run.failed", "data": {"name": "é"}}


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}', [NEW])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_with_two_secrets_holders_of_either_are_satisfied() -> None:
    headers = dict(signed_headers("msg-1", now(), BODY, [NEW, OLD]))
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (NEW, OLD):
        Webhook(secret).verify(BODY, headers)


def test_another_body_id_or_time_does_not_verify() -> None:
    headers = dict(signed_headers("msg-1", now(), BODY, [NEW]))
    for body, changed in (
        (BODY + b" ", {}),
        (BODY, {"webhook-id": "msg-2"}),
        (BODY, {"webhook-timestamp": str(now() + 5)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(body, headers | changed)


def test_without_a_secret_nothing_is_signed() -> None:
    assert signed_headers("msg-1", 7, BODY, []) == {"webhook-id": "msg-1", "webhook-timestamp": "7"}


def test_an_id_with_a_full_stop_is_refused() -> None:
    with pytest.raises(ValueError, match="full stop"):
        signed_headers("msg.1", 7, BODY, [NEW])


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsk_abcd", "whpk_abcd", "whsec_MfKQ\n"])
def test_a_secret_that_is_none_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^is ") as refused:
        signing_key(secret)
    assert "MfKQ" not in str(refused.value)


def test_a_secret_may_lack_its_prefix_and_its_padding() -> None:
    assert signing_key("C2FVsBQIhrscChlQIMV+b5sSYspob7oD") == signing_key(OLD)
    assert signing_key("whsec_YWI") == b"ab"
