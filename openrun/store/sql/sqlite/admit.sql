-- Tickets of runs that may start.
UPDATE tickets SET state = 'running', admitted_at = :now WHERE run_id IN (SELECT value FROM json_each(:rows))
