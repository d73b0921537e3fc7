-- Events of a run after a seq.
SELECT run_id, seq, fence, hash, body
FROM events
WHERE run_id = %(run_id)s AND seq > %(after)s
ORDER BY seq
LIMIT %(limit)s;
