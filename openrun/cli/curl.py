"""A line for the shell that calls a webhook as its sender would; secrets are named in it, never written out."""

import json
import re
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import assert_never

from openrun.server.hooks import PREFIX
from openrun.server.samples import sample
from openrun.steps.triggers.signature import (
    BasicSecret,
    GitHubSignature,
    HeaderSecret,
    HmacSignature,
    Signature,
    SlackSignature,
    StandardSignature,
    StripeSignature,
)
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.triggers.routes import Endpoint

Places = Mapping[str, str]
"""What stands for a secret in a shell, by the secret's name: such as `$TOKEN`, or `$(cat /run/secrets/token)`."""

_BODILESS = ("GET", "HEAD")
_BODY = '"$B"'
_TIME = '"$T"'
_ID = '"$I"'
_PARTS = {"body": _BODY, "timestamp": _TIME, "id": _ID}
_VARIABLE = re.compile(r"[^A-Z0-9]+")
_RAW_KEY = "sed 's/^whsec_//' | openssl base64 -d -A | od -An -tx1 | tr -d ' \\n'"


def curl_line(url: str, endpoint: Endpoint, places: Places) -> str:
    """One line for bash with curl, and with openssl where the webhook is signed; `url` is the server's."""
    config = endpoint.config
    method = config.methods[0]
    target = quote(f"{url}{PREFIX}{re.sub('[{}]', '', endpoint.path)}")
    proof = config.proof()
    headers = [] if proof is None else _proofs(proof, places)
    words = ["curl", *(["-N"] if config.mode == "stream" else []), "-X", method, target]
    body = None if method in _BODILESS else json.dumps(_body(config), ensure_ascii=False)
    if body is not None:
        words += ["-H", quote("Content-Type: application/json")]
    words += [word for header in headers for word in ("-H", header)]
    line = " ".join(words)
    shared = _variables(line, body)
    if body is not None:
        line += f" -d {_BODY if 'B=' in shared else quote(body)}"
    return f"{shared} {line}" if shared else line


def place_of(name: str, places: Places) -> str:
    """What stands for a secret; a variable to be set by hand, where the command line says nothing of it."""
    return places.get(name) or f"${_VARIABLE.sub('_', name.upper()).strip('_') or 'SECRET'}"


def _body(config: TriggerWebhookConfig) -> object:
    return {} if config.input_schema is None else sample(config.input_schema, {})


def _variables(line: str, body: str | None) -> str:
    given = [
        f"B={quote(body or '')};" if _BODY in line else "",
        "T=$(date +%s);" if _TIME in line or _ID in line else "",
        "I=msg_$$-$T;" if _ID in line else "",
    ]
    return " ".join(filter(None, given))


def _proofs(proof: Signature, places: Places) -> list[str]:
    """Headers, each a word for the shell, that prove who calls."""
    key = f'"{place_of(proof.secrets[0], places)}"'
    match proof:
        case StandardSignature():
            return _standard(key)
        case GitHubSignature():
            digest = _digest(key, [_BODY])
            return ["'X-GitHub-Delivery: '" + _ID, "'X-Hub-Signature-256: sha256='" + digest]
        case StripeSignature():
            digest = _digest(key, [_TIME, "'.'", _BODY])
            return ["'Stripe-Signature: t='" + _TIME + "',v1='" + digest]
        case SlackSignature():
            digest = _digest(key, ["'v0:'", _TIME, "':'", _BODY])
            return ["'X-Slack-Request-Timestamp: '" + _TIME, "'X-Slack-Signature: v0='" + digest]
        case HmacSignature():
            return _hmac(proof, key)
        case HeaderSecret():
            return [quote(f"{proof.name}: {proof.prefix}") + key]
        case BasicSecret():
            pair = f"$(printf %s {quote(proof.username + ':')}{key} | openssl base64 -A)"
            return [f"'Authorization: Basic '\"{pair}\""]
        case _:
            assert_never(proof)


def _standard(key: str) -> list[str]:
    hexkey = f'"hexkey:$(printf %s {key} | {_RAW_KEY})"'
    signed = _openssl([_ID, "'.'", _TIME, "'.'", _BODY], f"-sha256 -mac HMAC -macopt {hexkey}", "base64")
    return [
        "'webhook-id: '" + _ID,
        "'webhook-timestamp: '" + _TIME,
        "'webhook-signature: v1,'" + signed,
    ]


def _hmac(proof: HmacSignature, key: str) -> list[str]:
    pieces = proof.parts()
    words = [quote(text) if at % 2 == 0 else _PARTS[text] for at, text in enumerate(pieces) if at % 2 or text]
    signed = _openssl(words, f"-{proof.algorithm} -hmac {key}", proof.encoding)
    named = ((proof.timestamp_header, _TIME), (proof.id_header, _ID))
    return [
        *(quote(f"{name}: ") + value for name, value in named if name is not None),
        quote(f"{proof.header}: {proof.prefix}") + signed,
    ]


def _digest(key: str, words: Sequence[str]) -> str:
    return _openssl(words, f"-sha256 -hmac {key}", "hex")


def _openssl(words: Sequence[str], options: str, encoding: str) -> str:
    if encoding == "hex":
        return f"\"$(printf %s {''.join(words)} | openssl dgst {options} -r | cut -d' ' -f1)\""
    return f'"$(printf %s {"".join(words)} | openssl dgst {options} -binary | openssl base64 -A)"'
