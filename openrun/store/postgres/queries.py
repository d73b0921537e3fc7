"""The queries of this store, as psycopg takes them."""

from functools import cache

from openrun.store.schema import query


@cache
def sql(name: str) -> bytes:
    """The query in `sql/postgres/<name>.sql`."""
    return query("postgres", name).encode()
