"""What came from outside and started runs."""

import sqlite3

from openrun.store.rows import DeliveryFilter, DeliveryRow
from openrun.store.sqlite.connection import BEYOND, as_json, ask, look_up
from openrun.store.sqlite.runs import namespaces


def delivery(connection: sqlite3.Connection, run_id: str) -> DeliveryRow | None:
    return look_up(connection, "delivery", DeliveryRow, run_id=run_id)


def deliveries(connection: sqlite3.Connection, wanted: DeliveryFilter) -> list[DeliveryRow]:
    page = {"before": wanted.before or BEYOND, "limit": wanted.limit}
    if wanted.flow_id is not None:
        page |= {"flow_id": wanted.flow_id, "namespaces": as_json(namespaces(connection, wanted.namespace))}
        return ask(connection, "deliveries_of_flow", list[DeliveryRow], **page)
    if wanted.namespace is not None:
        page |= {"namespace": wanted.namespace}
        return ask(connection, "deliveries_of_namespace", list[DeliveryRow], **page)
    return ask(connection, "deliveries", list[DeliveryRow], **page)
