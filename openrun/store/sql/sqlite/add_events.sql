-- Events: a row for each slice, with its events' places; hash and body stand one after the other at a place of `blob`.
INSERT INTO events (run_id, seq, fence, hash, body)
SELECT
  s.run_id,
  s.first + e.key,
  s.fence,
  CAST(substr(:blob, e.value >> 32, 64) AS TEXT),
  CAST(substr(:blob, (e.value >> 32) + 64, e.value & 0xffffffff) AS TEXT)
FROM (
  -- The limit keeps SQLite from taking each slice apart again for each of its events.
  SELECT
    json_extract(value, '$[0]') AS run_id,
    json_extract(value, '$[1]') AS first,
    json_extract(value, '$[2]') AS fence,
    json_extract(value, '$[3]') AS places
  FROM (SELECT value FROM json_each(:rows) LIMIT -1)
  LIMIT -1
) AS s, json_each(s.places) AS e
