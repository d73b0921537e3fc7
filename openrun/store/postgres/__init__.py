"""The Postgres store, for several workers on several machines. Needs the extra `postgres`."""

from openrun.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
