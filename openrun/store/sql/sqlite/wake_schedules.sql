-- Schedules of a flow that was enabled, or disabled, are looked at now.
UPDATE schedules SET due_at = min(coalesce(due_at, :now), :now), revision = revision + 1
WHERE namespace = :namespace AND flow_id = :flow_id
