"""Stores by their URL, as command lines and settings name them."""

import importlib
from pathlib import Path
from urllib.parse import urlsplit

from openrun.store.base import Store, StoreError
from openrun.store.memory import MemoryStore
from openrun.store.sqlite import SqliteStore

_MEMORY = ":memory:"
_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_store(url_or_path: str) -> Store:
    """The store that a path, `sqlite:///path`, `:memory:` or `postgresql://...` names; it is yet to be opened."""
    if url_or_path == _MEMORY:
        return MemoryStore()
    if url_or_path.startswith(_POSTGRES):
        return _postgres(url_or_path)
    path = url_or_path.removeprefix(_SQLITE)
    if not path or "://" in path:
        # What stands behind the scheme may hold a password.
        raise StoreError(
            f"no store is known for {urlsplit(url_or_path).scheme or url_or_path!r}: give a file, sqlite:///FILE, "
            ":memory: or postgresql://USER@HOST/DATABASE"
        )
    return SqliteStore(Path(path))


def _postgres(url: str) -> Store:
    """Its driver is an extra, so it is looked for only when it is asked for."""
    try:
        module = importlib.import_module("openrun.store.postgres")
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] == "openrun":
            raise
        raise StoreError(
            f"a Postgres store needs a driver that is not installed ({error}): pip install 'openrun[postgres]'"
        ) from error
    store: Store = module.PostgresStore(url)
    return store
