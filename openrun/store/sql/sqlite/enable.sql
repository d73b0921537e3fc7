-- Whether the triggers of a flow start runs.
UPDATE flows SET enabled = :enabled WHERE namespace = :namespace AND flow_id = :flow_id
