-- Audit rows, newest first.
SELECT number, at, namespace, actor, actor_id, role, action, resource, status, request_id, remote, details, hash
FROM audit
WHERE number < coalesce(%(before)s, 9223372036854775807)
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(action)s::text IS NULL OR action = %(action)s)
ORDER BY number DESC
LIMIT %(limit)s;
