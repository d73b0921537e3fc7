-- All that is said about a run's activations.
DELETE FROM activations WHERE run_id = %(run_id)s;
