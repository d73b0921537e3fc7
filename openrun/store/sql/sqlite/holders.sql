-- All workers and all that hold runs: what is left of their leases, and whether they hold any.
SELECT json_group_array(json_array(
  worker,
  CASE WHEN boot_id = :boot_id THEN lease_until - :boot END,
  worker IN (SELECT worker FROM holders)
))
FROM (SELECT worker FROM workers UNION SELECT worker FROM holders) LEFT JOIN workers USING (worker)
