-- All events of these runs.
SELECT run_id, seq, fence, hash, body
FROM events
WHERE run_id = ANY (%(run_ids)s)
ORDER BY run_id, seq;
