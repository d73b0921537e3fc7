-- Runs and all that belongs to them. Ids compare by their bytes, whatever the database's language; texts that may
-- hold anything carry U+0000 escaped (see text.py). Instants are UTC in ms since 1970, leases the server's clock.

CREATE TABLE versions (
    flow_id text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    name text NOT NULL,
    document text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (flow_id, version)
);

-- Which version of a flow is the current one.
CREATE TABLE flows (
    flow_id text COLLATE "C" PRIMARY KEY,
    version text COLLATE "C" NOT NULL
);

CREATE TABLE workers (
    worker text COLLATE "C" PRIMARY KEY,
    lease_until timestamptz NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL
) WITH (fillfactor = 50);

-- A run that is held has no due_at; one that has ended has neither worker nor due_at.
-- Pages keep room, so that a run that goes on needs no new entries in its indexes.
CREATE TABLE runs (
    run_id text COLLATE "C" PRIMARY KEY,
    flow_id text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    trigger text,
    parent_run_id text COLLATE "C",
    replay_of text COLLATE "C",
    depth integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    ended_at bigint,
    error text,
    seq integer NOT NULL,
    bytes bigint NOT NULL,
    hash text NOT NULL,
    worker text COLLATE "C",
    fence bigint NOT NULL,
    due_at bigint,
    crashes integer NOT NULL,
    hold text
) WITH (fillfactor = 80);

CREATE INDEX runs_due ON runs (due_at, run_id) WHERE due_at IS NOT NULL;
CREATE INDEX runs_crashed ON runs (due_at, run_id) WHERE due_at IS NOT NULL AND crashes >= 2;
CREATE INDEX runs_held ON runs (worker) WHERE worker IS NOT NULL;
CREATE INDEX runs_by_status ON runs (status, run_id);
CREATE INDEX runs_by_flow ON runs (flow_id, status, run_id);
CREATE INDEX runs_children ON runs (parent_run_id, run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX runs_ended ON runs (ended_at, run_id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_on_hold ON runs (run_id) WHERE hold IS NOT NULL;
CREATE INDEX runs_orphaned ON runs (run_id)
    WHERE status IN ('pending', 'running') AND worker IS NULL AND due_at IS NULL AND hold IS NULL;

-- The truth. The body is text and not jsonb, because its hash is over its very bytes.
CREATE TABLE events (
    run_id text COLLATE "C" NOT NULL,
    seq integer NOT NULL,
    fence bigint NOT NULL,
    hash text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- `place` is a digest of step and scope: scopes may be longer than what an index takes.
CREATE TABLE activations (
    run_id text COLLATE "C" NOT NULL,
    place bytea NOT NULL,
    step_id text NOT NULL,
    scope text NOT NULL,
    status text NOT NULL,
    attempt integer,
    seq integer NOT NULL,
    started_at bigint,
    due_at bigint,
    ended_at bigint,
    error text,
    PRIMARY KEY (run_id, place)
) WITH (fillfactor = 80);

-- `place` is a digest of the key. A message that was answered stays with the seq that did, until its run ends.
CREATE TABLE inbox (
    number bigint GENERATED ALWAYS AS IDENTITY,
    run_id text COLLATE "C" NOT NULL,
    place bytea NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    body text NOT NULL,
    taken_seq integer,
    PRIMARY KEY (run_id, place)
);

CREATE UNIQUE INDEX inbox_waiting ON inbox (number) WHERE taken_seq IS NULL;

-- `place` is a digest of the key under which a run was started.
CREATE TABLE dedupe (
    place bytea PRIMARY KEY,
    payload_hash text NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX dedupe_expiry ON dedupe (expires_at);

CREATE TABLE dead_letters (
    run_id text COLLATE "C" PRIMARY KEY,
    flow_id text COLLATE "C" NOT NULL,
    error text,
    failed_at bigint NOT NULL,
    replays integer NOT NULL,
    last_replay text COLLATE "C"
);

CREATE INDEX dead_letters_by_age ON dead_letters (failed_at, run_id);

CREATE TABLE tombstones (
    run_id text COLLATE "C" PRIMARY KEY,
    flow_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    events integer NOT NULL,
    hash text NOT NULL,
    removed_at bigint NOT NULL
);

-- Workers that hold runs, found by one step in the index for each, however many runs they hold.
CREATE VIEW holders AS
    WITH RECURSIVE each AS (
        (SELECT worker FROM runs WHERE worker IS NOT NULL ORDER BY worker LIMIT 1)
        UNION ALL
        SELECT (SELECT runs.worker FROM runs WHERE runs.worker > each.worker ORDER BY runs.worker LIMIT 1)
        FROM each WHERE each.worker IS NOT NULL
    )
    SELECT worker FROM each WHERE worker IS NOT NULL;

-- When the runs of each holder without a valid lease became free for others, as wall-clock time.
CREATE VIEW leases_expired AS
    SELECT holders.worker,
        coalesce(floor(extract(epoch FROM workers.lease_until) * 1000)::bigint, 0) AS expired_at
    FROM holders LEFT JOIN workers USING (worker)
    WHERE workers.worker IS NULL OR workers.lease_until <= clock_timestamp();
