-- Events that are due, those that are due longest first; what others are busy with is passed over.
WITH due AS (
    SELECT number, due_at AS since
    FROM bus_events
    WHERE due_at <= %(now)s
    ORDER BY due_at, number
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE bus_events SET due_at = %(now)s::bigint + %(lease_ms)s, attempts = bus_events.attempts + 1
    FROM due
    WHERE bus_events.number = due.number
    RETURNING bus_events.*, due.since
)
SELECT number, namespace, source, event_id, type, body, received_at, due_at, attempts, handled_at, dead_at, error
FROM taken
ORDER BY since, number;
