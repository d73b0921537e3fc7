"""The headers of a request as a run may see them: whatever could be a secret is masked."""

import re
from functools import lru_cache

from openrun.steps.triggers.signature import HeaderSecret, HmacSignature
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.triggers.base import Arrival

MASK = "***"

_PROVING = {
    "basic": "authorization",
    "github": "x-hub-signature-256",
    "slack": "x-slack-signature",
    "standard": "webhook-signature",
    "stripe": "stripe-signature",
}
_SENSITIVE = re.compile(
    r"authorization|cookie|token|secret|passw|credential|api[-_]?key|access[-_]?key|auth[-_]?key|(^|[-_])auth([-_]|$)|session|bearer|oidc|client-cert|(^|[-_])jwt([-_]|$)"
)


def shown_headers(arrival: Arrival, config: TriggerWebhookConfig) -> dict[str, str]:
    """By name in lower case, repeated ones joined by ", "; `***` for those that could hold a secret."""
    proving = _proving(config)
    return {
        name: MASK if name == proving or _is_sensitive(name) else _clean(", ".join(values))
        for name, values in arrival.named.items()
    }


@lru_cache(maxsize=1_000)
def _is_sensitive(name: str) -> bool:
    return _SENSITIVE.search(name) is not None


def _proving(config: TriggerWebhookConfig) -> str | None:
    """The header that the trigger's callers prove themselves with: whoever reads it could send the same again."""
    match config.proof():
        case HeaderSecret(name=name) | HmacSignature(header=name):
            return name.lower()
        case None:
            return None
        case proof:
            return _PROVING[proof.scheme]


def _clean(value: str) -> str:
    """With a sign in place of each byte that is not UTF-8."""
    return value if value.isascii() else value.encode(errors="surrogateescape").decode(errors="replace")
