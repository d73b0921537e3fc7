-- Where runs stand now.
UPDATE runs SET
    status = fresh.status, updated_at = fresh.updated_at, ended_at = fresh.ended_at, error = fresh.error,
    seq = fresh.seq, bytes = fresh.bytes, hash = fresh.hash, worker = fresh.worker, due_at = fresh.due_at,
    crashes = fresh.crashes, hold = fresh.hold
FROM unnest(
    %(run_id)b::text[], %(status)b::text[], %(updated_at)b::bigint[], %(ended_at)b::bigint[], %(error)b::text[],
    %(seq)b::integer[], %(bytes)b::bigint[], %(hash)b::text[], %(worker)b::text[], %(due_at)b::bigint[],
    %(crashes)b::integer[], %(hold)b::text[]
) AS fresh (run_id, status, updated_at, ended_at, error, seq, bytes, hash, worker, due_at, crashes, hold)
WHERE runs.run_id = fresh.run_id;
