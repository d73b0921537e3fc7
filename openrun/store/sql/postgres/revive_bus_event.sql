-- An event that was given up may be taken again.
UPDATE bus_events SET due_at = %(now)s, dead_at = NULL, attempts = 0
WHERE number = %(number)s AND dead_at IS NOT NULL;
