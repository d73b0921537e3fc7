-- How many runs there are of each status.
SELECT json_group_object(status, its)
FROM (
  SELECT status, sum(its) AS its
  FROM (SELECT namespace, status, count(*) AS its FROM runs GROUP BY namespace, status)
  GROUP BY status
)
