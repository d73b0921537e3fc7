-- Events that were given up, newest first.
SELECT number, namespace, source, event_id, type, body, received_at, due_at, attempts, handled_at, dead_at, error
FROM bus_events
WHERE dead_at IS NOT NULL
    AND number < coalesce(%(before)s, 9223372036854775807)
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(type)s::text IS NULL OR type = %(type)s)
ORDER BY number DESC
LIMIT %(limit)s;
