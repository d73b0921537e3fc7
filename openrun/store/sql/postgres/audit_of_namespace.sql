-- Audit rows of a namespace, newest first; asked for as a range, see runs_by_status.
SELECT number, at, namespace, actor, actor_id, role, action, resource, status, request_id, remote, details, hash
FROM audit
WHERE (namespace, number) < (%(namespace)s, coalesce(%(before)s, 9223372036854775807))
    AND (namespace, number) > (%(namespace)s, 0)
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(action)s::text IS NULL OR action = %(action)s)
ORDER BY namespace DESC, number DESC
LIMIT %(limit)s;
