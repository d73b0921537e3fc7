-- Events that wait no more.
DELETE FROM gathered
WHERE (namespace, flow_id, trigger, key, part, source, event_id) IN (
  SELECT
    json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
    json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]')
  FROM json_each(:rows)
)
