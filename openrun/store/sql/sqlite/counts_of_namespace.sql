-- How many runs of a namespace there are of each status.
SELECT json_group_object(status, its)
FROM (SELECT status, count(*) AS its FROM runs WHERE namespace = :namespace GROUP BY status)
