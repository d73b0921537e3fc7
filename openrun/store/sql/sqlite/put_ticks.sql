-- What became of ticks; one that has fired stays as it is.
INSERT INTO ticks (namespace, flow_id, trigger, tick, outcome, run_id, decided_at, reason, backfilled)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]')
FROM json_each(:rows)
WHERE true
ON CONFLICT (namespace, flow_id, trigger, tick) DO UPDATE SET
  outcome = excluded.outcome, run_id = excluded.run_id, decided_at = excluded.decided_at, reason = excluded.reason,
  backfilled = excluded.backfilled
WHERE outcome <> 'fired'
