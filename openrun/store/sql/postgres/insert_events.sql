-- New events.
INSERT INTO events (run_id, seq, fence, hash, body)
SELECT *
FROM unnest(%(run_id)b::text[], %(seq)b::integer[], %(fence)b::bigint[], %(hash)b::text[], %(body)b::text[]);
