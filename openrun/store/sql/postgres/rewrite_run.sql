-- Where a run stands, derived anew.
UPDATE runs SET status = %(status)s, updated_at = %(updated_at)s, ended_at = %(ended_at)s, error = %(error)s
WHERE run_id = %(run_id)s;
