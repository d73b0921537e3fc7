-- Keys under which runs were started now.
INSERT INTO dedupe (place, payload_hash, run_id, expires_at)
SELECT *
FROM unnest(%(place)b::bytea[], %(payload_hash)b::text[], %(run_id)b::text[], %(expires_at)b::bigint[]);
