-- What a person said of a compensation that is over without success.
UPDATE compensations SET resolution = :resolution, note = :note, "by" = :by
WHERE run_id = :run_id AND step_id = :step_id AND scope = :scope
  AND resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed'
