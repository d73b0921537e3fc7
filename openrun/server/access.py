"""Who may do what: scopes, the roles that bundle them, and the principal behind a request."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from openrun.store.rows import DEFAULT_NAMESPACE

ALL_NAMESPACES: Final = "*"


class Scope(StrEnum):
    """One thing that a key may allow."""

    FLOWS_READ = "flows:read"
    FLOWS_WRITE = "flows:write"
    RUNS_READ = "runs:read"
    RUNS_START = "runs:start"
    RUNS_CONTROL = "runs:control"
    """Cancel, pause, resume, retry, fork, signal, replay; resolving effects and compensations; steering schedules."""
    APPROVALS_ANSWER = "approvals:answer"
    KEYS_ADMIN = "keys:admin"
    AUDIT_READ = "audit:read"
    METRICS_READ = "metrics:read"


_READ = frozenset({Scope.FLOWS_READ, Scope.RUNS_READ})
_OPERATE = _READ | {Scope.RUNS_START, Scope.RUNS_CONTROL, Scope.APPROVALS_ANSWER, Scope.METRICS_READ}


class Role(StrEnum):
    """What a key is for; each allows the scopes in `ROLES`."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    USER = "user"


ROLES: Final = {
    Role.ADMIN: frozenset(Scope),
    Role.DEVELOPER: _OPERATE | {Scope.FLOWS_WRITE},
    Role.OPERATOR: _OPERATE,
    Role.AUDITOR: _READ | {Scope.AUDIT_READ, Scope.METRICS_READ},
    Role.USER: _READ | {Scope.RUNS_START, Scope.APPROVALS_ANSWER},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: the holder of an API key."""

    key_id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    namespace: str
    """The one that the key is for, or `ALL_NAMESPACES`."""
    hash: str = field(default="", repr=False)
    """That of the key, by which it is looked up again."""

    @property
    def is_known(self) -> bool:
        return bool(self.key_id)

    def reaches(self, namespace: str) -> bool:
        return self.namespace in (ALL_NAMESPACES, namespace)


ANYBODY: Final = Principal(
    key_id="", name="anybody", role=Role.USER, scopes=frozenset(), namespace=DEFAULT_NAMESPACE
)
