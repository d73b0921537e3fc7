-- What came from outside and started runs.
INSERT INTO deliveries (
  run_id, namespace, flow_id, trigger, received_at, method, path, delivery_id, digest, size, remote, replay_of
)
SELECT
  json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
  json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
  json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
