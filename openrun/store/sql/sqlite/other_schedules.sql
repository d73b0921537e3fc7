-- Schedules of a flow that its current version has not: `rows` holds its triggers.
SELECT json_group_array(trigger) FROM schedules
WHERE namespace = :namespace AND flow_id = :flow_id AND trigger NOT IN (SELECT value FROM json_each(:rows))
