-- A schedule moves on, unless somebody else has moved it since.
UPDATE schedules SET cursor = :cursor, due_at = :due_at, revision = revision + 1
WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger AND revision = :revision
