-- All workers, with what is left of their leases.
SELECT json_group_array(json_object(
  'worker', worker,
  'lease_ms', CASE WHEN boot_id = :boot_id THEN lease_until - :boot ELSE -1 END,
  'runs', (SELECT count(*) FROM runs AS r WHERE r.worker = w.worker),
  'host', host,
  'pid', pid
))
FROM (SELECT * FROM workers ORDER BY worker) AS w
