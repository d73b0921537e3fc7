-- An event that was given up is taken again.
UPDATE bus_events SET due_at = :now, attempts = 0, dead_at = NULL WHERE number = :number AND dead_at IS NOT NULL
