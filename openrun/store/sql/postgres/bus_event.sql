-- An event.
SELECT number, namespace, source, event_id, type, body, received_at, due_at, attempts, handled_at, dead_at, error
FROM bus_events
WHERE number = %(number)s;
