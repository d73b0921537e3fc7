-- Where compensations stand; a start that is not given stays as it is, and so does what a person said.
INSERT INTO compensations (run_id, place, step_id, scope, status, seq, error, started_at, ended_at)
SELECT *
FROM unnest(
    %(run_id)b::text[], %(place)b::bytea[], %(step_id)b::text[], %(scope)b::text[], %(status)b::text[],
    %(seq)b::integer[], %(error)b::text[], %(started_at)b::bigint[], %(ended_at)b::bigint[]
)
ON CONFLICT (run_id, place) DO UPDATE SET
    status = excluded.status,
    seq = excluded.seq,
    error = excluded.error,
    started_at = coalesce(excluded.started_at, compensations.started_at),
    ended_at = excluded.ended_at;
