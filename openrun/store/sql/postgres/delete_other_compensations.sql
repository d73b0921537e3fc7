-- Compensations of a run that are none of these.
DELETE FROM compensations WHERE run_id = %(run_id)s AND place <> ALL (%(places)b::bytea[]);
