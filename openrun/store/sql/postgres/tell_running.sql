-- Running ones that were asked to make room.
UPDATE tickets SET told = true WHERE run_id = ANY (%(run_ids)s);
