-- Where activations stand; a start or an attempt that is not given stays as it is.
INSERT INTO activations (
    run_id, place, step_id, scope, status, attempt, seq, started_at, due_at, ended_at, error
)
SELECT *
FROM unnest(
    %(run_id)b::text[], %(place)b::bytea[], %(step_id)b::text[], %(scope)b::text[], %(status)b::text[],
    %(attempt)b::integer[], %(seq)b::integer[], %(started_at)b::bigint[], %(due_at)b::bigint[],
    %(ended_at)b::bigint[], %(error)b::text[]
)
ON CONFLICT (run_id, place) DO UPDATE SET
    status = excluded.status,
    attempt = coalesce(excluded.attempt, activations.attempt),
    seq = excluded.seq,
    started_at = coalesce(excluded.started_at, activations.started_at),
    due_at = excluded.due_at,
    ended_at = excluded.ended_at,
    error = excluded.error;
