-- What runs ask of people, what they did to the outside world, what they told of it, and what they undid.

-- An open wait is found by its age, also among those of its kind, its run, its name, or its name and correlation.
CREATE TABLE waits (
  number INTEGER PRIMARY KEY,
  wait_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  step_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  correlation TEXT,
  title TEXT,
  ask TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  closed_at INTEGER,
  outcome TEXT,
  UNIQUE (wait_id, run_id)
) STRICT;

CREATE INDEX waits_by_run ON waits (run_id, created_at, wait_id);
CREATE INDEX waits_open ON waits (created_at, wait_id) WHERE closed_at IS NULL;
CREATE INDEX waits_open_by_kind ON waits (kind, created_at, wait_id) WHERE closed_at IS NULL;
CREATE INDEX waits_open_by_name ON waits (name, created_at, wait_id) WHERE closed_at IS NULL;
CREATE INDEX waits_open_by_correlation ON waits (name, correlation, created_at, wait_id)
  WHERE closed_at IS NULL AND correlation IS NOT NULL;
CREATE INDEX waits_closed ON waits (created_at, wait_id) WHERE closed_at IS NOT NULL;

-- `age` is an instant: an effect whose start was not recorded is as new as its end.
CREATE TABLE effects (
  number INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  run_id TEXT NOT NULL,
  step_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  name TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  effect TEXT NOT NULL,
  status TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  args_hash TEXT,
  value TEXT,
  error TEXT,
  "by" TEXT,
  started_at INTEGER,
  ended_at INTEGER,
  age INTEGER NOT NULL GENERATED ALWAYS AS (coalesce(started_at, ended_at, 0)),
  UNIQUE (key, run_id)
) STRICT;

CREATE INDEX effects_by_run ON effects (run_id, seq);
CREATE INDEX effects_by_age ON effects (age, key);
CREATE INDEX effects_by_status ON effects (status, age, key);

CREATE TABLE progress (
  number INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  step_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  data TEXT NOT NULL
) STRICT;

CREATE INDEX progress_by_run ON progress (run_id, number);

-- One that is over without success waits for a person until there is a `resolution`.
CREATE TABLE compensations (
  run_id TEXT NOT NULL,
  step_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  status TEXT NOT NULL,
  seq INTEGER NOT NULL,
  error TEXT,
  started_at INTEGER,
  ended_at INTEGER,
  resolution TEXT,
  note TEXT,
  "by" TEXT,
  PRIMARY KEY (run_id, step_id, scope)
) STRICT, WITHOUT ROWID;

CREATE INDEX compensations_failed ON compensations (ended_at, run_id, seq)
  WHERE resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed';

-- Rows as lists show them, in one column.
CREATE VIEW wait_rows AS
  SELECT
    *,
    json_object(
      'wait_id', wait_id, 'run_id', run_id, 'step_id', step_id, 'scope', scope, 'kind', kind, 'name', name,
      'correlation', correlation, 'title', title, 'ask', ask, 'created_at', created_at, 'expires_at', expires_at,
      'closed_at', closed_at, 'outcome', outcome
    ) AS shown
  FROM waits;

CREATE VIEW effect_rows AS
  SELECT
    *,
    json_object(
      'key', key, 'run_id', run_id, 'step_id', step_id, 'scope', scope, 'name', name, 'ordinal', ordinal,
      'effect', effect, 'status', status, 'attempt', attempt, 'seq', seq, 'args_hash', args_hash, 'value', value,
      'error', error, 'by', "by", 'started_at', started_at, 'ended_at', ended_at
    ) AS shown
  FROM effects;

CREATE VIEW compensation_rows AS
  SELECT
    *,
    json_object(
      'run_id', run_id, 'step_id', step_id, 'scope', scope, 'status', status, 'seq', seq, 'error', error,
      'started_at', started_at, 'ended_at', ended_at, 'resolution', resolution, 'note', note, 'by', "by"
    ) AS shown
  FROM compensations;
