-- Tickets of queued runs that are cancelled.
UPDATE tickets SET state = 'leaving' WHERE state = 'queued' AND run_id IN (SELECT value FROM json_each(:rows))
