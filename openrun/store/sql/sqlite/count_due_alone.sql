-- How many due runs have crashed twice or more; see due_alone.
SELECT CAST(
  (
    SELECT count(*) FROM runs
    WHERE worker IS NULL AND due_at IS NOT NULL AND due_at <= :now AND crashes >= 2
      AND version NOT IN (SELECT value FROM json_each(:without))
  ) + (
    SELECT count(*)
    FROM json_each(:expired) AS w CROSS JOIN runs AS r ON r.worker = json_extract(w.value, '$[0]')
    WHERE r.crashes >= 1 AND r.version NOT IN (SELECT value FROM json_each(:without))
  ) AS TEXT
)
