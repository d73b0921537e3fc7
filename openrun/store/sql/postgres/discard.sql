-- Dead letters that are taken away.
DELETE FROM dead_letters WHERE run_id = ANY (%(run_ids)s);
