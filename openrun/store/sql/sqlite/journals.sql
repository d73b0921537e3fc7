-- All events of some runs, each run's in order.
SELECT json_group_array(json_array(run_id, seq, fence, hash, body))
FROM (SELECT * FROM events WHERE run_id IN (SELECT value FROM json_each(:rows)) ORDER BY run_id, seq)
