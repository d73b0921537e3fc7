-- Schedules of a flow that has them no more.
DELETE FROM schedules
WHERE namespace = :namespace AND flow_id = :flow_id AND trigger IN (SELECT value FROM json_each(:rows))
