-- Effects, newest first.
SELECT key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, by,
    started_at, ended_at
FROM effects
ORDER BY age DESC, key DESC
LIMIT %(limit)s;
