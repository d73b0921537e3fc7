-- The runs that a worker holds.
SELECT json_group_array(json(shown)) FROM (SELECT shown FROM run_rows WHERE worker = :worker ORDER BY run_id)
