-- Effects of some statuses, newest first; see runs_by_status.
SELECT key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, by,
    started_at, ended_at
FROM unnest(%(statuses)s::text[]) AS wanted (its)
CROSS JOIN LATERAL (
    SELECT *
    FROM effects
    WHERE (status, age, key) >= (wanted.its, 0::bigint, '') AND status <= wanted.its
        AND (
            %(namespace)s::text IS NULL
            OR (SELECT runs.namespace FROM runs WHERE runs.run_id = effects.run_id) = %(namespace)s
        )
    ORDER BY status DESC, age DESC, key DESC
    LIMIT %(limit)s
) AS newest
ORDER BY age DESC, key DESC
LIMIT %(limit)s;
