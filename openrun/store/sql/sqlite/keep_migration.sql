-- Remember that a migration was applied.
INSERT INTO openrun_schema (number, name, applied_at) VALUES (:number, :name, :now)
