-- How full pools are; what a pool without a total holds is not counted.
SELECT json_group_array(json_object(
  'pool', p.pool, 'total', p.total, 'turns', p.turns,
  'running', CASE
    WHEN p.total IS NULL THEN 0
    ELSE (SELECT count(*) FROM tickets AS t WHERE t.pool = p.pool AND t.state = 'running')
  END
))
FROM json_each(:rows) AS s CROSS JOIN pools AS p ON p.pool = s.value
