-- Events of a namespace, newest first; asked for as a range, see runs_by_status.
SELECT number, namespace, source, event_id, type, body, received_at, due_at, attempts, handled_at, dead_at, error
FROM bus_events
WHERE (namespace, number) < (%(namespace)s, coalesce(%(before)s, 9223372036854775807))
    AND (namespace, number) > (%(namespace)s, 0)
    AND (%(dead)s::boolean IS NULL OR (dead_at IS NOT NULL) = %(dead)s)
ORDER BY namespace DESC, number DESC
LIMIT %(limit)s;
