-- The tickets that these runs have, with their lanes.
SELECT json_group_array(json_array(run_id, lane)) FROM tickets WHERE run_id IN (SELECT value FROM json_each(:rows))
