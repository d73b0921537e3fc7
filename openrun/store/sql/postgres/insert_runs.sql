-- New runs.
INSERT INTO runs (
    run_id, flow_id, parent_run_id, replay_of, status, updated_at, ended_at, error, seq, bytes, hash, worker,
    fence, due_at, crashes, hold, version, trigger, depth, created_at, namespace
)
SELECT *
FROM unnest(
    %(run_id)b::text[], %(flow_id)b::text[], %(parent_run_id)b::text[], %(replay_of)b::text[], %(status)b::text[],
    %(updated_at)b::bigint[], %(ended_at)b::bigint[], %(error)b::text[], %(seq)b::integer[], %(bytes)b::bigint[],
    %(hash)b::text[], %(worker)b::text[], %(fence)b::bigint[], %(due_at)b::bigint[], %(crashes)b::integer[],
    %(hold)b::text[], %(version)b::text[], %(trigger)b::text[], %(depth)b::integer[], %(created_at)b::bigint[],
    %(namespace)b::text[]
);
