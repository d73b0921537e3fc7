"""What has to be otherwise before a server is put where strangers can reach it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from openrun.runtime.library import Library, MissingCode
from openrun.steps.triggers.webhook import TriggerWebhook, TriggerWebhookConfig
from openrun.store.base import Store
from openrun.store.books import KeyRow
from openrun.store.memory import MemoryStore
from openrun.store.rows import DEFAULT_NAMESPACE

ADMIN = "admin"
EVERYWHERE = "*"
"""The namespace of a key that is for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook that requests can start runs by."""

    namespace: str
    flow_id: str
    config: TriggerWebhookConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How a server stands in the world, as its command line says."""

    is_loopback: bool
    names_hosts: bool
    reloads: bool


def weaknesses(
    store: Store, hooks: Iterable[Hook], keys: Sequence[KeyRow], now: int, stand: Stand | None = None
) -> tuple[str, ...]:
    """Each in words, with the way out; `now` is in ms since 1970, `stand` is None where no server is known of."""
    return (
        *_of_store(store),
        *(each for hook in hooks for each in _of_hook(hook)),
        *_of_keys([key for key in keys if _is_active(key, now)]),
        *(_of_stand(stand) if stand is not None else ()),
    )


async def hooks_of(store: Store, library: Library) -> list[Hook]:
    """The webhooks of the current versions of all flows that are enabled and that can be read here."""
    found: list[Hook] = []
    for row in await store.flows():
        if not row.enabled:
            continue
        try:
            program = await library.program(row.flow_id, row.version, row.namespace)
        except MissingCode:
            # Nothing can be started by it here.
            continue
        found += [
            Hook(namespace=row.namespace, flow_id=row.flow_id, config=step.config)
            for step in program.triggers
            if isinstance(step, TriggerWebhook)
        ]
    return found


def _of_store(store: Store) -> Iterator[str]:
    if isinstance(store, MemoryStore):
        yield "the store is kept in memory: runs are lost when the process ends; give --store a file or postgresql://"


def _of_hook(hook: Hook) -> Iterator[str]:
    if hook.config.proof() is None:
        whose = hook.flow_id if hook.namespace == DEFAULT_NAMESPACE else f"{hook.namespace}/{hook.flow_id}"
        yield f"anyone may call the webhook {hook.config.path} of flow {whose!r}: give it a `signature`"


def _of_keys(keys: Sequence[KeyRow]) -> Iterator[str]:
    """Whoever runs the server needs one key; that one may be for ever."""
    chiefs = sorted(
        (key for key in keys if _is_chief(key)),
        # The one that the operator chose is the one to keep.
        key=lambda key: (key.name != "given", key.created_at, key.key_id),
    )
    for key in chiefs[1:]:
        yield (
            f"key {key.name!r} ({key.key_id}) is a second admin's for all namespaces: "
            f"openrun keys revoke {key.key_id}"
        )
    for key in keys:
        if key.expires_at is None and not _is_chief(key):
            yield f"key {key.name!r} ({key.key_id}) never expires: make one with --expires, and revoke this one"


def _of_stand(stand: Stand) -> Iterator[str]:
    if not stand.is_loopback and not stand.names_hosts:
        yield "the API answers for any host name: say which one is its own with --allow-host"
    if stand.reloads:
        yield "files that change are executed: leave out --reload"


def _is_active(key: KeyRow, now: int) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _is_chief(key: KeyRow) -> bool:
    return key.role == ADMIN and key.namespace == EVERYWHERE and key.scopes is None
