-- What starts runs by itself, holds them back, or tells others of them: schedules, events, tickets, notifications.

CREATE TABLE schedules (
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  trigger TEXT NOT NULL,
  version TEXT NOT NULL,
  spec TEXT NOT NULL,
  cursor INTEGER NOT NULL,
  due_at INTEGER,
  revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  paused_at INTEGER,
  paused_by TEXT,
  PRIMARY KEY (namespace, flow_id, trigger)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX schedules_paused ON schedules (namespace) WHERE paused_at IS NOT NULL;

-- They outlast the runs they started.
CREATE TABLE ticks (
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  trigger TEXT NOT NULL,
  tick INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  run_id TEXT,
  decided_at INTEGER NOT NULL,
  reason TEXT,
  backfilled INTEGER NOT NULL,
  PRIMARY KEY (namespace, flow_id, trigger, tick)
) STRICT, WITHOUT ROWID;

CREATE INDEX ticks_by_outcome ON ticks (namespace, flow_id, trigger, outcome, tick);
CREATE INDEX ticks_by_age ON ticks (tick) WHERE outcome <> 'queued';

-- One that may be taken has a `due_at`. Numbers are never given twice.
CREATE TABLE bus_events (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace TEXT NOT NULL,
  source TEXT NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  due_at INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  handled_at INTEGER,
  dead_at INTEGER,
  error TEXT,
  UNIQUE (namespace, source, event_id)
) STRICT;

CREATE INDEX bus_events_by_namespace ON bus_events (namespace);
CREATE INDEX bus_events_by_type ON bus_events (type);
CREATE INDEX bus_events_due ON bus_events (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX bus_events_handled ON bus_events (handled_at) WHERE handled_at IS NOT NULL;
CREATE INDEX bus_events_dead ON bus_events (number) WHERE dead_at IS NOT NULL;

CREATE TABLE gathered (
  number INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  trigger TEXT NOT NULL,
  key TEXT NOT NULL,
  part INTEGER NOT NULL,
  source TEXT NOT NULL,
  event_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (namespace, flow_id, trigger, key, part, source, event_id)
) STRICT;

CREATE INDEX gathered_by_expiry ON gathered (expires_at);
CREATE INDEX gathered_in_order ON gathered (namespace, flow_id, trigger, key, part, number, expires_at);

-- `state` is queued, running, or leaving (turned away, and not over yet: it counts nowhere). `told` says whether a
-- running one was asked to make room.
CREATE TABLE tickets (
  run_id TEXT PRIMARY KEY,
  lane TEXT NOT NULL,
  pool TEXT NOT NULL,
  turn INTEGER NOT NULL,
  queued_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  admitted_at INTEGER,
  told INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A run that waits for its turn is not one that does not go on.
DROP INDEX runs_on_hold;
CREATE INDEX runs_on_hold ON runs (run_id) WHERE hold IS NOT NULL AND substr(hold, 1, 7) <> 'queued:';
CREATE INDEX runs_in_queue ON runs (run_id) WHERE hold IS NOT NULL AND substr(hold, 1, 7) = 'queued:';

-- An event is told to those who wait for it about nothing in particular, however many wait for it about something.
CREATE INDEX waits_open_uncorrelated ON waits (name, created_at, wait_id)
  WHERE closed_at IS NULL AND correlation IS NULL;

CREATE INDEX tickets_queued ON tickets (lane, turn) WHERE state = 'queued';
CREATE INDEX tickets_queued_by_age ON tickets (lane, queued_at) WHERE state = 'queued';
CREATE INDEX tickets_running ON tickets (lane, told, admitted_at) WHERE state = 'running';
CREATE INDEX tickets_running_in_pool ON tickets (pool) WHERE state = 'running';

-- `turns` counts admissions; `total` is that of the newest birth.
CREATE TABLE pools (
  pool TEXT PRIMARY KEY,
  total INTEGER,
  turns INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- One that is to be looked at has a `ready_at`; one that is `blocked` waits for room in its pool, in the order of
-- `served`; one that is empty goes at `idle_at`.
CREATE TABLE lanes (
  lane TEXT PRIMARY KEY,
  pool TEXT NOT NULL,
  namespace TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  key TEXT NOT NULL,
  rules TEXT NOT NULL,
  served INTEGER NOT NULL,
  ready_at INTEGER,
  blocked INTEGER NOT NULL DEFAULT 0,
  burst_at INTEGER,
  idle_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX lanes_ready ON lanes (ready_at, served) WHERE ready_at IS NOT NULL;
CREATE INDEX lanes_blocked ON lanes (pool, served) WHERE blocked;
CREATE INDEX lanes_idle ON lanes (idle_at) WHERE idle_at IS NOT NULL;
CREATE INDEX lanes_by_name ON lanes (namespace, flow_id, key) WHERE idle_at IS NULL;

-- When runs of lanes with a rate were admitted, for as long as their period asks for it.
CREATE TABLE admissions (
  lane TEXT NOT NULL,
  at INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  PRIMARY KEY (lane, at, run_id)
) STRICT, WITHOUT ROWID;

-- `types` is a JSON array.
CREATE TABLE subscriptions (
  number INTEGER PRIMARY KEY,
  subscription_id TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  url TEXT NOT NULL,
  types TEXT NOT NULL,
  flow_id TEXT,
  secret TEXT,
  description TEXT,
  created_at INTEGER NOT NULL,
  disabled_at INTEGER,
  disabled_reason TEXT
) STRICT;

CREATE INDEX subscriptions_by_namespace ON subscriptions (namespace, created_at);
CREATE INDEX subscriptions_by_age ON subscriptions (created_at);

CREATE TABLE notifications (
  notification_id TEXT PRIMARY KEY,
  subscription_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  run_id TEXT NOT NULL,
  flow_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  data TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER,
  delivered_at INTEGER,
  dead_at INTEGER,
  last_status INTEGER,
  error TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX notifications_by_age ON notifications (at);
CREATE INDEX notifications_by_namespace ON notifications (namespace, at);
CREATE INDEX notifications_by_subscription ON notifications (subscription_id, at);
CREATE INDEX notifications_by_run ON notifications (run_id, at);
CREATE INDEX notifications_dead ON notifications (at) WHERE dead_at IS NOT NULL;
CREATE INDEX notifications_due ON notifications (subscription_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_delivered ON notifications (delivered_at) WHERE delivered_at IS NOT NULL;

-- Rows as lists show them, in one column.
CREATE VIEW schedule_rows AS
  SELECT
    s.*,
    json_object(
      'namespace', s.namespace, 'flow_id', s.flow_id, 'trigger', s.trigger, 'version', s.version, 'spec', s.spec,
      'cursor', s.cursor, 'due_at', s.due_at, 'revision', s.revision, 'created_at', s.created_at,
      'paused_at', s.paused_at, 'paused_by', s.paused_by,
      'enabled', json(iif(coalesce(f.enabled, 1), 'true', 'false')),
      'last_run_id', t.run_id, 'last_status', r.status, 'last_tick', t.tick,
      'first_queued', (
        SELECT min(q.tick) FROM ticks AS q
        WHERE q.namespace = s.namespace AND q.flow_id = s.flow_id AND q.trigger = s.trigger AND q.outcome = 'queued'
      )
    ) AS shown
  FROM schedules AS s
  LEFT JOIN flows AS f ON f.namespace = s.namespace AND f.flow_id = s.flow_id
  LEFT JOIN ticks AS t ON t.namespace = s.namespace AND t.flow_id = s.flow_id AND t.trigger = s.trigger
    AND t.tick = (
      SELECT max(q.tick) FROM ticks AS q
      WHERE q.namespace = s.namespace AND q.flow_id = s.flow_id AND q.trigger = s.trigger AND q.outcome = 'fired'
    )
  LEFT JOIN runs AS r ON r.run_id = t.run_id;

CREATE VIEW tick_rows AS
  SELECT
    *,
    json_object(
      'namespace', namespace, 'flow_id', flow_id, 'trigger', trigger, 'tick', tick, 'outcome', outcome,
      'run_id', run_id, 'decided_at', decided_at, 'reason', reason,
      'backfilled', json(iif(backfilled, 'true', 'false'))
    ) AS shown
  FROM ticks;

CREATE VIEW bus_event_rows AS
  SELECT
    *,
    json_object(
      'number', number, 'namespace', namespace, 'source', source, 'event_id', event_id, 'type', type, 'body', body,
      'received_at', received_at, 'due_at', due_at, 'attempts', attempts, 'handled_at', handled_at,
      'dead_at', dead_at, 'error', error
    ) AS shown
  FROM bus_events;

CREATE VIEW gathered_rows AS
  SELECT
    *,
    json_object(
      'namespace', namespace, 'flow_id', flow_id, 'trigger', trigger, 'key', key, 'part', part, 'source', source,
      'event_id', event_id, 'at', at, 'expires_at', expires_at, 'body', body
    ) AS shown
  FROM gathered;

CREATE VIEW subscription_rows AS
  SELECT
    *,
    json_object(
      'subscription_id', subscription_id, 'namespace', namespace, 'url', url, 'types', json(types),
      'flow_id', flow_id, 'secret', secret, 'description', description, 'created_at', created_at,
      'disabled_at', disabled_at, 'disabled_reason', disabled_reason
    ) AS shown
  FROM subscriptions;

CREATE VIEW notification_rows AS
  SELECT
    *,
    json_object(
      'notification_id', notification_id, 'subscription_id', subscription_id, 'namespace', namespace,
      'run_id', run_id, 'flow_id', flow_id, 'seq', seq, 'type', type, 'at', at, 'data', data,
      'attempts', attempts, 'due_at', due_at, 'delivered_at', delivered_at, 'dead_at', dead_at,
      'last_status', last_status, 'error', error
    ) AS shown
  FROM notifications;
