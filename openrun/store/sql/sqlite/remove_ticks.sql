-- Ticks of schedules that have gone.
DELETE FROM ticks
WHERE namespace = :namespace AND flow_id = :flow_id AND trigger IN (SELECT value FROM json_each(:rows))
