-- Pools, as the newest birth wants them.
INSERT INTO pools (pool, total)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:rows)
WHERE true
ON CONFLICT (pool) DO UPDATE SET total = excluded.total
