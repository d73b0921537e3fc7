-- What starts runs by itself, holds them back, or tells others of them: schedules, events, tickets, notifications.

-- Runs that a queue holds back are none that somebody has to look at.
DROP INDEX runs_on_hold;
CREATE INDEX runs_on_hold ON runs (run_id) WHERE hold IS NOT NULL AND NOT starts_with(hold, 'queued:');
CREATE INDEX runs_queued ON runs (run_id) WHERE hold IS NOT NULL AND starts_with(hold, 'queued:');

CREATE TABLE schedules (
    namespace text COLLATE "C" NOT NULL,
    flow_id text COLLATE "C" NOT NULL,
    trigger text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    spec text NOT NULL,
    cursor bigint NOT NULL,
    due_at bigint,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    paused_at bigint,
    paused_by text,
    PRIMARY KEY (namespace, flow_id, trigger)
) WITH (fillfactor = 80);

CREATE INDEX schedules_due ON schedules (due_at, namespace, flow_id, trigger) WHERE due_at IS NOT NULL;

CREATE TABLE ticks (
    namespace text COLLATE "C" NOT NULL,
    flow_id text COLLATE "C" NOT NULL,
    trigger text COLLATE "C" NOT NULL,
    tick bigint NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    run_id text COLLATE "C",
    decided_at bigint NOT NULL,
    reason text,
    backfilled boolean NOT NULL,
    PRIMARY KEY (namespace, flow_id, trigger, tick)
);

CREATE INDEX ticks_fired ON ticks (namespace, flow_id, trigger, tick) WHERE outcome = 'fired';
CREATE INDEX ticks_queued ON ticks (namespace, flow_id, trigger, tick) WHERE outcome = 'queued';
CREATE INDEX ticks_by_age ON ticks (tick);

-- Schedules as they are told: what their flow and their ticks say of them is told with them.
CREATE VIEW told_schedules AS
    SELECT schedules.namespace, schedules.flow_id, schedules.trigger, schedules.version, schedules.spec,
        schedules.cursor, schedules.due_at, schedules.revision, schedules.created_at, schedules.paused_at,
        schedules.paused_by, coalesce(flows.enabled, true) AS enabled, newest.run_id AS last_run_id,
        (SELECT status FROM runs WHERE runs.run_id = newest.run_id) AS last_status, newest.tick AS last_tick,
        (
            SELECT ticks.tick FROM ticks
            WHERE ticks.namespace = schedules.namespace AND ticks.flow_id = schedules.flow_id
                AND ticks.trigger = schedules.trigger AND ticks.outcome = 'queued'
            ORDER BY ticks.tick LIMIT 1
        ) AS first_queued
    FROM schedules
    LEFT JOIN flows ON flows.namespace = schedules.namespace AND flows.flow_id = schedules.flow_id
    LEFT JOIN LATERAL (
        SELECT ticks.tick, ticks.run_id FROM ticks
        WHERE ticks.namespace = schedules.namespace AND ticks.flow_id = schedules.flow_id
            AND ticks.trigger = schedules.trigger AND ticks.outcome = 'fired'
        ORDER BY ticks.tick DESC LIMIT 1
    ) AS newest ON true;

-- `place` is a digest of namespace, source and id, `topic` one of the type.
CREATE TABLE bus_events (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace text COLLATE "C" NOT NULL,
    place bytea NOT NULL UNIQUE,
    source text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    topic bytea NOT NULL,
    body text NOT NULL,
    received_at bigint NOT NULL,
    due_at bigint,
    attempts integer NOT NULL,
    handled_at bigint,
    dead_at bigint,
    error text
) WITH (fillfactor = 80);

CREATE INDEX bus_events_due ON bus_events (due_at, number) WHERE due_at IS NOT NULL;
CREATE INDEX bus_events_by_namespace ON bus_events (namespace, number);
CREATE INDEX bus_events_by_type ON bus_events (topic, number);
CREATE INDEX bus_events_dead ON bus_events (number) WHERE dead_at IS NOT NULL;
CREATE INDEX bus_events_handled ON bus_events (handled_at) WHERE handled_at IS NOT NULL;

-- `place` is a digest of namespace, flow, trigger and key, `mark` one of part, source and id.
CREATE TABLE gathered (
    place bytea NOT NULL,
    mark bytea NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    namespace text COLLATE "C" NOT NULL,
    flow_id text COLLATE "C" NOT NULL,
    trigger text NOT NULL,
    key text NOT NULL,
    part integer NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    at bigint NOT NULL,
    expires_at bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (place, mark)
);

CREATE INDEX gathered_expiry ON gathered (expires_at);
CREATE INDEX gathered_in_order ON gathered (place, part, number, expires_at);

-- `state` is queued, running, or leaving (turned away, and not over yet: it counts nowhere). `told` says whether a
-- running one was asked to make room. Who changes a ticket has locked its run.
CREATE TABLE tickets (
    run_id text COLLATE "C" PRIMARY KEY,
    lane text COLLATE "C" NOT NULL,
    pool text COLLATE "C" NOT NULL,
    turn bigint NOT NULL,
    queued_at bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    admitted_at bigint,
    told boolean NOT NULL DEFAULT false
);

-- An event is told to those who wait for it about nothing in particular, however many wait for it about something.
CREATE INDEX waits_open_uncorrelated ON waits (topic, created_at, wait_id)
    WHERE closed_at IS NULL AND subject IS NULL;

CREATE INDEX tickets_queued ON tickets (lane, turn, run_id) WHERE state = 'queued';
CREATE INDEX tickets_queued_by_age ON tickets (lane, queued_at, run_id) WHERE state = 'queued';
CREATE INDEX tickets_running ON tickets (lane, told, admitted_at, run_id) WHERE state = 'running';
CREATE INDEX tickets_running_in_pool ON tickets (pool) WHERE state = 'running';

-- `turns` counts how often lanes were served; `total` is that of the newest birth.
CREATE TABLE pools (
    pool text COLLATE "C" PRIMARY KEY,
    total integer,
    turns bigint NOT NULL DEFAULT 0
);

-- One that is to be looked at has a `ready_at`; one that is `blocked` waits for room in its pool, in the order of
-- `served`; one that is empty goes at `idle_at`. Locked after runs, in order, and before pools; whoever admits waits for
-- no lane and no run.
CREATE TABLE lanes (
    lane text COLLATE "C" PRIMARY KEY,
    pool text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    flow_id text COLLATE "C" NOT NULL,
    key text NOT NULL,
    rules text NOT NULL,
    served bigint NOT NULL,
    ready_at bigint,
    blocked boolean NOT NULL DEFAULT false,
    burst_at bigint,
    idle_at bigint
) WITH (fillfactor = 50);

CREATE INDEX lanes_ready ON lanes (ready_at, served, lane) WHERE ready_at IS NOT NULL;
CREATE INDEX lanes_blocked ON lanes (pool, served, lane) WHERE blocked;
CREATE INDEX lanes_idle ON lanes (idle_at) WHERE idle_at IS NOT NULL;
CREATE INDEX lanes_by_name ON lanes (namespace, flow_id, lane);

-- When runs of lanes with a rate were admitted, for as long as their period asks for it.
CREATE TABLE admissions (
    lane text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (lane, at, run_id)
);

CREATE TABLE subscriptions (
    subscription_id text COLLATE "C" PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    namespace text COLLATE "C" NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    flow_id text COLLATE "C",
    secret text,
    description text,
    created_at bigint NOT NULL,
    disabled_at bigint,
    disabled_reason text
);

CREATE INDEX subscriptions_by_namespace ON subscriptions (namespace, created_at, number);

CREATE TABLE notifications (
    notification_id text COLLATE "C" PRIMARY KEY,
    subscription_id text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    flow_id text COLLATE "C" NOT NULL,
    seq integer NOT NULL,
    type text NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL,
    attempts integer NOT NULL,
    due_at bigint,
    delivered_at bigint,
    dead_at bigint,
    last_status integer,
    error text
) WITH (fillfactor = 80);

-- What one subscriber is to be told is found without a look at what others are.
CREATE INDEX notifications_due ON notifications (subscription_id, due_at, notification_id) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_by_age ON notifications (at, notification_id);
CREATE INDEX notifications_by_namespace ON notifications (namespace, at, notification_id);
CREATE INDEX notifications_by_subscription ON notifications (subscription_id, at, notification_id);
CREATE INDEX notifications_by_run ON notifications (run_id);
CREATE INDEX notifications_dead ON notifications (at, notification_id) WHERE dead_at IS NOT NULL;
CREATE INDEX notifications_delivered ON notifications (delivered_at) WHERE delivered_at IS NOT NULL;
