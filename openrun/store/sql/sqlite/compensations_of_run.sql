-- All compensations of a run, by the last event about them.
SELECT json_group_array(json(shown))
FROM (SELECT shown FROM compensation_rows WHERE run_id = :run_id ORDER BY seq, step_id, scope)
