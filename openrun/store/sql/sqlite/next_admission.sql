-- When the next lane is to be looked at.
SELECT CAST(ready_at AS TEXT) FROM lanes WHERE ready_at IS NOT NULL ORDER BY ready_at LIMIT 1
