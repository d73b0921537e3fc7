-- Schedules of a flow's current version: one whose spec is as it was goes on, another begins anew; a pause stays.
INSERT INTO schedules (namespace, flow_id, trigger, version, spec, cursor, due_at, revision, created_at, paused_at, paused_by)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
  json_extract(value, '$[9]'), json_extract(value, '$[10]')
FROM json_each(:rows)
WHERE true
ON CONFLICT (namespace, flow_id, trigger) DO UPDATE SET
  version = excluded.version,
  spec = excluded.spec,
  cursor = iif(spec = excluded.spec, cursor, excluded.cursor),
  due_at = iif(spec = excluded.spec, due_at, excluded.due_at),
  created_at = iif(spec = excluded.spec, created_at, excluded.created_at),
  revision = revision + 1
WHERE spec <> excluded.spec OR version <> excluded.version
