-- The runs that a worker holds.
SELECT run_id FROM runs WHERE worker = %(worker)s ORDER BY run_id FOR UPDATE;
