-- How far some runs are, in the order of `rows`.
SELECT json_group_array(json_array(
  r.run_id, r.seq, r.status, coalesce((SELECT max(p.number) FROM progress AS p WHERE p.run_id = r.run_id), 0)
))
FROM (SELECT DISTINCT value AS run_id FROM json_each(:rows) LIMIT -1) AS s
CROSS JOIN runs AS r ON r.run_id = s.run_id
WHERE :namespace IS NULL OR r.namespace = :namespace
