-- Whatever a worker holds is due.
UPDATE runs SET worker = NULL, due_at = :now WHERE worker = :worker
