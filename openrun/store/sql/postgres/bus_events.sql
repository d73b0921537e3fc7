-- Events, newest first.
SELECT number, namespace, source, event_id, type, body, received_at, due_at, attempts, handled_at, dead_at, error
FROM bus_events
WHERE number < coalesce(%(before)s, 9223372036854775807)
    AND (%(dead)s::boolean IS NULL OR (dead_at IS NOT NULL) = %(dead)s)
ORDER BY number DESC
LIMIT %(limit)s;
