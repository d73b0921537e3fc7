-- Audit rows, each linked to the one before.
INSERT INTO audit (
  number, at, namespace, actor, actor_id, role, action, resource, status, request_id, remote, details, hash
)
SELECT
  json_extract(value, '$.number'), json_extract(value, '$.at'), json_extract(value, '$.namespace'),
  json_extract(value, '$.actor'), json_extract(value, '$.actor_id'), json_extract(value, '$.role'),
  json_extract(value, '$.action'), json_extract(value, '$.resource'), json_extract(value, '$.status'),
  json_extract(value, '$.request_id'), json_extract(value, '$.remote'), json_extract(value, '$.details'),
  json_extract(value, '$.hash')
FROM (SELECT value FROM json_each(:rows) LIMIT -1)
