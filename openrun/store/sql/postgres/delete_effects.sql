-- All that is known of a run's effects.
DELETE FROM effects WHERE run_id = %(run_id)s;
