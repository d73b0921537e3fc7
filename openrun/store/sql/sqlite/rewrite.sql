-- Where a run stands, as its events say.
UPDATE runs SET status = :status, updated_at = :updated_at, ended_at = :ended_at, error = :error WHERE run_id = :run_id
