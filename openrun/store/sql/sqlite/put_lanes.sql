-- Lanes that runs have joined, as the newest birth wants them; a new one is served after those that are there.
INSERT INTO lanes (lane, pool, namespace, flow_id, key, rules, served, ready_at, burst_at)
SELECT
  json_extract(s.value, '$[0]'), json_extract(s.value, '$[1]'), json_extract(s.value, '$[2]'),
  json_extract(s.value, '$[3]'), json_extract(s.value, '$[4]'), json_extract(s.value, '$[5]'),
  (SELECT turns + 1 FROM pools WHERE pool = json_extract(s.value, '$[1]')), :now, :now
FROM (SELECT value FROM json_each(:rows) LIMIT -1) AS s
WHERE true
ON CONFLICT (lane) DO UPDATE SET
  key = excluded.key,
  rules = excluded.rules,
  ready_at = min(coalesce(ready_at, excluded.ready_at), excluded.ready_at),
  burst_at = coalesce(burst_at, excluded.burst_at),
  idle_at = NULL
