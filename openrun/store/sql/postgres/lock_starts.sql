-- Runs that were started under these keys.
SELECT place, run_id, payload_hash, expires_at
FROM dedupe
WHERE place = ANY (%(places)b)
ORDER BY place
FOR UPDATE;
