-- Tickets of runs that are over.
DELETE FROM tickets WHERE run_id IN (SELECT value FROM json_each(:rows))
