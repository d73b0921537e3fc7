-- Events of a type, newest first; asked for as a range, see runs_by_status.
SELECT number, namespace, source, event_id, type, body, received_at, due_at, attempts, handled_at, dead_at, error
FROM bus_events
WHERE (topic, number) < (%(topic)b::bytea, coalesce(%(before)s, 9223372036854775807))
    AND (topic, number) > (%(topic)b::bytea, 0)
    AND type = %(type)s
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(dead)s::boolean IS NULL OR (dead_at IS NOT NULL) = %(dead)s)
ORDER BY topic DESC, number DESC
LIMIT %(limit)s;
