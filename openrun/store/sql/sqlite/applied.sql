-- The last migration that was applied.
SELECT CAST(coalesce(max(number), 0) AS TEXT) FROM openrun_schema
