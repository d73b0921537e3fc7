-- How large the journals of some runs are.
SELECT json_group_array(json_array(run_id, bytes)) FROM runs WHERE run_id IN (SELECT value FROM json_each(:rows))
