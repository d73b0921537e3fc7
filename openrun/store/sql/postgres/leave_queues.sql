-- Queued runs that are cancelled take no slot.
UPDATE tickets SET state = 'leaving' WHERE run_id = ANY (%(run_ids)s) AND state = 'queued';
