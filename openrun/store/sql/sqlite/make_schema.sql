-- The table that tells which migrations were applied.
CREATE TABLE IF NOT EXISTS openrun_schema (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT
