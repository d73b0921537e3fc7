-- Runs that have ended hear nothing more.
DELETE FROM inbox WHERE run_id = ANY (%(run_ids)s);
