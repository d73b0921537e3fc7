-- Effects of a run, by the last event about them.
SELECT key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, by,
    started_at, ended_at
FROM effects
WHERE run_id = %(run_id)s AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = effects.run_id) = %(namespace)s
    )
ORDER BY seq, key
LIMIT %(limit)s;
