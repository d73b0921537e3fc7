-- What runs ask of people, what they did to the outside world, what they told of it, and what they undid.

-- An open wait is found by its age, also among those of its kind, its run, its name, or its name and correlation;
-- `topic` is a digest of the name, `subject` one of both.
CREATE TABLE waits (
    wait_id text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    step_id text NOT NULL,
    scope text NOT NULL,
    kind text COLLATE "C" NOT NULL,
    name text NOT NULL,
    topic bytea NOT NULL,
    correlation text,
    subject bytea,
    title text,
    ask text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    closed_at bigint,
    outcome text,
    PRIMARY KEY (wait_id, run_id)
);

CREATE INDEX waits_by_run ON waits (run_id, created_at, wait_id);
CREATE INDEX waits_open ON waits (created_at, wait_id) WHERE closed_at IS NULL;
CREATE INDEX waits_open_by_kind ON waits (kind, created_at, wait_id) WHERE closed_at IS NULL;
CREATE INDEX waits_open_by_name ON waits (topic, created_at, wait_id) WHERE closed_at IS NULL;
CREATE INDEX waits_open_by_correlation ON waits (subject, created_at, wait_id)
    WHERE closed_at IS NULL AND subject IS NOT NULL;
CREATE INDEX waits_closed ON waits (created_at, wait_id) WHERE closed_at IS NOT NULL;

-- `age` is an instant: an effect whose start was not recorded is as new as its end.
CREATE TABLE effects (
    key text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    step_id text NOT NULL,
    scope text NOT NULL,
    name text NOT NULL,
    ordinal integer NOT NULL,
    effect text NOT NULL,
    status text COLLATE "C" NOT NULL,
    attempt integer NOT NULL,
    seq integer NOT NULL,
    args_hash text,
    value text,
    error text,
    by text,
    started_at bigint,
    ended_at bigint,
    age bigint NOT NULL GENERATED ALWAYS AS (coalesce(started_at, ended_at, 0)) STORED,
    PRIMARY KEY (key, run_id)
);

CREATE INDEX effects_by_run ON effects (run_id, seq);
CREATE INDEX effects_by_age ON effects (age, key);
CREATE INDEX effects_by_status ON effects (status, age, key);

CREATE TABLE progress (
    run_id text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    step_id text NOT NULL,
    scope text NOT NULL,
    attempt integer NOT NULL,
    at bigint NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (run_id, number)
);

-- `place` is a digest of step and scope. One that is over without success waits for a person until there is a
-- `resolution`.
CREATE TABLE compensations (
    run_id text COLLATE "C" NOT NULL,
    place bytea NOT NULL,
    step_id text NOT NULL,
    scope text NOT NULL,
    status text NOT NULL,
    seq integer NOT NULL,
    error text,
    started_at bigint,
    ended_at bigint,
    resolution text,
    note text,
    by text,
    PRIMARY KEY (run_id, place)
);

CREATE INDEX compensations_failed ON compensations (ended_at, run_id, seq)
    WHERE resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed';
