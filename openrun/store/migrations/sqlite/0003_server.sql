-- Namespaces that are kept apart, and what a server keeps beside runs: deliveries, keys, the audit log, answers.

ALTER TABLE runs ADD COLUMN namespace TEXT NOT NULL DEFAULT 'default';
ALTER TABLE dead_letters ADD COLUMN namespace TEXT NOT NULL DEFAULT 'default';
ALTER TABLE tombstones ADD COLUMN namespace TEXT NOT NULL DEFAULT 'default';

-- A namespace's runs are found without a look at those of others; every index ends with the run id.
DROP INDEX runs_by_status;
DROP INDEX runs_by_flow;
CREATE INDEX runs_by_namespace ON runs (namespace);
CREATE INDEX runs_by_status ON runs (namespace, status, run_id, flow_id);
CREATE INDEX runs_by_flow ON runs (namespace, flow_id);
CREATE INDEX dead_letters_by_namespace ON dead_letters (namespace, failed_at);

ALTER TABLE flows RENAME TO flows_before;
CREATE TABLE flows (
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  version TEXT NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (namespace, flow_id)
) STRICT, WITHOUT ROWID;
INSERT INTO flows (namespace, flow_id, version) SELECT 'default', flow_id, version FROM flows_before;
DROP TABLE flows_before;

-- `number` grows in the order in which versions came.
ALTER TABLE versions RENAME TO versions_before;
CREATE TABLE versions (
  number INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  version TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (namespace, flow_id, version)
) STRICT;
INSERT INTO versions (namespace, flow_id, version, name, document, created_at)
SELECT 'default', flow_id, version, name, document, created_at FROM versions_before ORDER BY rowid;
DROP TABLE versions_before;

-- A request from outside that started a run; it goes when its run does.
CREATE TABLE deliveries (
  run_id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  trigger TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  delivery_id TEXT,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  remote TEXT,
  replay_of TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_namespace ON deliveries (namespace);
CREATE INDEX deliveries_by_flow ON deliveries (namespace, flow_id);

-- `hash` is that of the key, which is nowhere; `scopes` is a JSON array.
CREATE TABLE api_keys (
  key_id TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  scopes TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  used_at INTEGER
) STRICT, WITHOUT ROWID;

-- Each row's hash covers the row and the hash before; rows are only ever added.
CREATE TABLE audit (
  number INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  actor TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  role TEXT NOT NULL,
  action TEXT NOT NULL,
  resource TEXT NOT NULL,
  status INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  remote TEXT,
  details TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_namespace ON audit (namespace);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit log is only added to');
END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit log is only added to');
END;

CREATE TABLE kept_answers (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  status INTEGER NOT NULL,
  headers TEXT NOT NULL,
  body TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_answers_by_expiry ON kept_answers (expires_at);

-- Rows as lists show them, in one column.
DROP VIEW run_rows;
CREATE VIEW run_rows AS
  SELECT
    *,
    json_object(
      'run_id', run_id, 'flow_id', flow_id, 'version', version, 'namespace', namespace, 'status', status,
      'trigger', trigger, 'parent_run_id', parent_run_id, 'replay_of', replay_of, 'depth', depth,
      'created_at', created_at, 'updated_at', updated_at, 'ended_at', ended_at, 'error', error, 'seq', seq,
      'bytes', bytes, 'hash', hash, 'worker', worker, 'fence', fence, 'due_at', due_at, 'crashes', crashes,
      'hold', hold
    ) AS shown
  FROM runs;

CREATE VIEW dead_letter_rows AS
  SELECT
    *,
    json_object(
      'run_id', run_id, 'flow_id', flow_id, 'namespace', namespace, 'error', error, 'failed_at', failed_at,
      'replays', replays, 'last_replay', last_replay
    ) AS shown
  FROM dead_letters;

CREATE VIEW delivery_rows AS
  SELECT
    *,
    json_object(
      'run_id', run_id, 'namespace', namespace, 'flow_id', flow_id, 'trigger', trigger, 'received_at', received_at,
      'method', method, 'path', path, 'delivery_id', delivery_id, 'digest', digest, 'size', size, 'remote', remote,
      'replay_of', replay_of
    ) AS shown
  FROM deliveries;

CREATE VIEW flow_rows AS
  SELECT
    f.namespace,
    f.flow_id,
    json_object(
      'namespace', f.namespace, 'flow_id', f.flow_id, 'version', f.version, 'name', v.name,
      'enabled', json(iif(f.enabled, 'true', 'false')), 'created_at', v.created_at
    ) AS shown
  FROM flows AS f CROSS JOIN versions AS v USING (namespace, flow_id, version);

CREATE VIEW key_rows AS
  SELECT
    *,
    json_object(
      'key_id', key_id, 'namespace', namespace, 'name', name, 'hash', hash, 'role', role, 'scopes', json(scopes),
      'created_at', created_at, 'expires_at', expires_at, 'revoked_at', revoked_at, 'used_at', used_at
    ) AS shown
  FROM api_keys;

CREATE VIEW audit_rows AS
  SELECT
    *,
    json_object(
      'number', number, 'at', at, 'namespace', namespace, 'actor', actor, 'actor_id', actor_id, 'role', role,
      'action', action, 'resource', resource, 'status', status, 'request_id', request_id, 'remote', remote,
      'details', details, 'hash', hash
    ) AS shown
  FROM audit;

-- Namespaces that have runs, found by one step in the index for each, however many runs they have.
CREATE VIEW namespaces AS
  WITH RECURSIVE each (namespace) AS (
    SELECT min(namespace) FROM runs
    UNION ALL
    SELECT (SELECT min(namespace) FROM runs WHERE runs.namespace > each.namespace)
    FROM each WHERE each.namespace IS NOT NULL
  )
  SELECT namespace FROM each WHERE namespace IS NOT NULL;
