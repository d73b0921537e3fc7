-- A schedule is paused, or goes on, and is looked at now.
UPDATE schedules SET
  paused_at = :at, paused_by = :by, due_at = min(coalesce(due_at, :now), :now), revision = revision + 1
WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger AND (paused_at IS NULL) <> (:at IS NULL)
