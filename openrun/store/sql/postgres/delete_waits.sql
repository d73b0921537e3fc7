-- All that a run waited for.
DELETE FROM waits WHERE run_id = %(run_id)s;
