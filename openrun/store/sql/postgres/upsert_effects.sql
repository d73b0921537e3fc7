-- What is known of effects; a start, a value or a hash of arguments that is not given stays as it is.
INSERT INTO effects (
    key, run_id, step_id, scope, name, ordinal, effect, status, attempt, seq, args_hash, value, error, by,
    started_at, ended_at
)
SELECT *
FROM unnest(
    %(key)b::text[], %(run_id)b::text[], %(step_id)b::text[], %(scope)b::text[], %(name)b::text[],
    %(ordinal)b::integer[], %(effect)b::text[], %(status)b::text[], %(attempt)b::integer[], %(seq)b::integer[],
    %(args_hash)b::text[], %(value)b::text[], %(error)b::text[], %(by)b::text[], %(started_at)b::bigint[],
    %(ended_at)b::bigint[]
)
ON CONFLICT (key, run_id) DO UPDATE SET
    step_id = excluded.step_id,
    scope = excluded.scope,
    name = excluded.name,
    ordinal = excluded.ordinal,
    effect = excluded.effect,
    status = excluded.status,
    attempt = excluded.attempt,
    seq = excluded.seq,
    args_hash = coalesce(excluded.args_hash, effects.args_hash),
    value = coalesce(excluded.value, effects.value),
    error = excluded.error,
    by = excluded.by,
    started_at = coalesce(excluded.started_at, effects.started_at),
    ended_at = excluded.ended_at;
