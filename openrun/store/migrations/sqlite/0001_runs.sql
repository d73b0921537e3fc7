-- Runs, their events, and what is derived from them or waits for them. Instants are UTC in ms since 1970.

CREATE TABLE flows (
  flow_id TEXT PRIMARY KEY,
  version TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
  flow_id TEXT NOT NULL,
  version TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (flow_id, version)
) STRICT;

-- A row without a rowid is found by its run id in one step, and every index ends with the run id.
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  flow_id TEXT NOT NULL,
  version TEXT NOT NULL,
  status TEXT NOT NULL,
  trigger TEXT,
  parent_run_id TEXT,
  replay_of TEXT,
  depth INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ended_at INTEGER,
  error TEXT,
  seq INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  hash TEXT NOT NULL,
  worker TEXT,
  fence INTEGER NOT NULL,
  due_at INTEGER,
  crashes INTEGER NOT NULL DEFAULT 0,
  hold TEXT
) STRICT, WITHOUT ROWID;

-- The flow is in it so that a list of one flow's runs of one status needs no row that it does not show.
CREATE INDEX runs_by_status ON runs (status, run_id, flow_id);
CREATE INDEX runs_by_flow ON runs (flow_id);
CREATE INDEX runs_by_parent ON runs (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX runs_by_worker ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_by_end ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_on_hold ON runs (run_id) WHERE hold IS NOT NULL;
CREATE INDEX runs_due ON runs (due_at) WHERE worker IS NULL AND due_at IS NOT NULL;
CREATE INDEX runs_due_alone ON runs (due_at) WHERE worker IS NULL AND due_at IS NOT NULL AND crashes >= 2;
CREATE INDEX runs_orphaned ON runs (status)
  WHERE worker IS NULL AND due_at IS NULL AND hold IS NULL AND status IN ('pending', 'running');

CREATE TABLE events (
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  hash TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE activations (
  run_id TEXT NOT NULL,
  step_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  status TEXT NOT NULL,
  attempt INTEGER,
  seq INTEGER NOT NULL,
  started_at INTEGER,
  due_at INTEGER,
  ended_at INTEGER,
  error TEXT,
  PRIMARY KEY (run_id, step_id, scope)
) STRICT, WITHOUT ROWID;

CREATE INDEX activations_by_seq ON activations (run_id, seq);

-- Rows that were answered (`taken_seq` is the event that did it) stay, so that their keys are known again.
CREATE TABLE inbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  taken_seq INTEGER,
  UNIQUE (run_id, key)
) STRICT;

CREATE INDEX inbox_waiting ON inbox (run_id, number) WHERE taken_seq IS NULL;

CREATE TABLE dedupe (
  key TEXT PRIMARY KEY,
  payload_hash TEXT NOT NULL,
  run_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX dedupe_by_expiry ON dedupe (expires_at);

-- `lease_until` is in ms since the machine started; under another `boot_id` it says nothing.
CREATE TABLE workers (
  worker TEXT PRIMARY KEY,
  lease_until INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
  run_id TEXT PRIMARY KEY,
  flow_id TEXT NOT NULL,
  error TEXT,
  failed_at INTEGER NOT NULL,
  replays INTEGER NOT NULL DEFAULT 0,
  last_replay TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX dead_letters_by_age ON dead_letters (failed_at);

CREATE TABLE tombstones (
  run_id TEXT PRIMARY KEY,
  flow_id TEXT NOT NULL,
  status TEXT NOT NULL,
  events INTEGER NOT NULL,
  hash TEXT NOT NULL,
  removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A run as lists show it, in one column.
CREATE VIEW run_rows AS
  SELECT
    *,
    json_object(
      'run_id', run_id, 'flow_id', flow_id, 'version', version, 'status', status, 'trigger', trigger,
      'parent_run_id', parent_run_id, 'replay_of', replay_of, 'depth', depth, 'created_at', created_at,
      'updated_at', updated_at, 'ended_at', ended_at, 'error', error, 'seq', seq, 'bytes', bytes, 'hash', hash,
      'worker', worker, 'fence', fence, 'due_at', due_at, 'crashes', crashes, 'hold', hold
    ) AS shown
  FROM runs;

-- Workers that hold runs, found by one step in the index for each, however many runs they hold.
CREATE VIEW holders AS
  WITH RECURSIVE each (worker) AS (
    SELECT min(worker) FROM runs WHERE worker IS NOT NULL
    UNION ALL
    SELECT (SELECT min(worker) FROM runs WHERE runs.worker > each.worker) FROM each WHERE each.worker IS NOT NULL
  )
  SELECT worker FROM each WHERE worker IS NOT NULL;
