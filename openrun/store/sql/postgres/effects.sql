-- Effects, newest first.
SELECT key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, by,
    started_at, ended_at
FROM effects
WHERE %(namespace)s::text IS NULL
    OR (SELECT runs.namespace FROM runs WHERE runs.run_id = effects.run_id) = %(namespace)s
ORDER BY age DESC, key DESC
LIMIT %(limit)s;
