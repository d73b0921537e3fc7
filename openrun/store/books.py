"""What a server keeps beside runs: keys, the audit log, answers it gave. Instants are UTC in ms since 1970."""

import msgspec


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """An API key; the key itself is nowhere, `hash` is its SHA-256 in hex."""

    key_id: str
    namespace: str
    """"*" is all."""
    name: str
    hash: str
    role: str
    scopes: tuple[str, ...] | None = None
    """Narrows what the role allows; None is all of it."""
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    used_at: int | None = None
    """About when it was used last."""


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who changed what; rows are only ever added, each linked to the one before by its `hash`.

    `number` and `hash` are the store's to give: 0 and "" in a row that is new.
    """

    number: int = 0
    at: int
    namespace: str
    actor: str
    """Name of the key, or of whoever acted otherwise."""
    actor_id: str
    role: str
    action: str
    """Such as "runs.cancel"."""
    resource: str
    """What it was done to, such as "run/0192…"."""
    status: int
    """The HTTP status it was answered with."""
    request_id: str
    remote: str | None = None
    details: str = "{}"
    """JSON."""
    hash: str = ""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which audit rows to list, newest first; `before` is the number that the page before ended with."""

    namespace: str | None = None
    actor: str | None = None
    action: str | None = None
    before: int | None = None
    limit: int = 50


class AnswerRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a request was answered, kept so that its repetition under the same key gets the same."""

    scope: str
    """Who asked for what: principal, method and path."""
    key: str
    request_hash: str
    status: int
    headers: str
    """JSON object."""
    body: str
    expires_at: int
