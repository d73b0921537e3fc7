-- Empty lanes that nothing asks for any more, some at a time.
SELECT json_group_array(lane)
FROM (SELECT lane FROM lanes WHERE idle_at IS NOT NULL AND idle_at <= :now ORDER BY idle_at LIMIT :most)
