-- Events of one run, in order.
SELECT json_group_array(json_array(run_id, seq, fence, hash, body))
FROM (SELECT * FROM events WHERE run_id = :run_id AND seq > :after ORDER BY seq LIMIT :limit)
