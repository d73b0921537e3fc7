-- Effects whose keys begin so; see find.
SELECT key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, by,
    started_at, ended_at
FROM effects
WHERE key >= %(prefix)s AND key < %(prefix)s || U&'\+10FFFF'
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = effects.run_id) = %(namespace)s
    )
ORDER BY key, run_id
LIMIT %(limit)s;
