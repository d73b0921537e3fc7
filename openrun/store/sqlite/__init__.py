"""The SQLite store: one file, durable, for all processes of one machine."""

from openrun.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
