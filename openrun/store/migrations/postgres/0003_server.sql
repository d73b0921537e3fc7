-- Namespaces that are kept apart, and what a server keeps beside runs: deliveries, keys, the audit log, answers.

ALTER TABLE runs ADD COLUMN namespace text COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE dead_letters ADD COLUMN namespace text COLLATE "C" NOT NULL DEFAULT 'default';
ALTER TABLE tombstones ADD COLUMN namespace text COLLATE "C" NOT NULL DEFAULT 'default';

-- A namespace's runs are found without a look at those of others.
DROP INDEX runs_by_status;
DROP INDEX runs_by_flow;
CREATE INDEX runs_by_namespace ON runs (namespace, run_id);
CREATE INDEX runs_by_status ON runs (namespace, status, run_id);
CREATE INDEX runs_by_flow ON runs (namespace, flow_id, status, run_id);
CREATE INDEX dead_letters_by_namespace ON dead_letters (namespace, failed_at, run_id);

ALTER TABLE flows
    ADD COLUMN namespace text COLLATE "C" NOT NULL DEFAULT 'default',
    ADD COLUMN enabled boolean NOT NULL DEFAULT true,
    DROP CONSTRAINT flows_pkey,
    ADD PRIMARY KEY (namespace, flow_id);

-- `number` grows in the order in which versions came.
ALTER TABLE versions
    ADD COLUMN namespace text COLLATE "C" NOT NULL DEFAULT 'default',
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
    DROP CONSTRAINT versions_pkey,
    ADD PRIMARY KEY (namespace, flow_id, version);

-- A request from outside that started a run; it goes when its run does.
CREATE TABLE deliveries (
    run_id text COLLATE "C" PRIMARY KEY,
    namespace text COLLATE "C" NOT NULL,
    flow_id text COLLATE "C" NOT NULL,
    trigger text NOT NULL,
    received_at bigint NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    delivery_id text,
    digest text NOT NULL,
    size bigint NOT NULL,
    remote text,
    replay_of text COLLATE "C"
);

CREATE INDEX deliveries_by_namespace ON deliveries (namespace, run_id);
CREATE INDEX deliveries_by_flow ON deliveries (namespace, flow_id, run_id);

-- `hash` is that of the key, which is nowhere.
CREATE TABLE api_keys (
    key_id text COLLATE "C" PRIMARY KEY,
    namespace text COLLATE "C" NOT NULL,
    name text NOT NULL,
    hash text COLLATE "C" NOT NULL UNIQUE,
    role text NOT NULL,
    scopes text[],
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    used_at bigint
);

-- Each row's hash covers the row and the hash before; rows are only ever added.
CREATE TABLE audit (
    number bigint PRIMARY KEY,
    at bigint NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    actor_id text NOT NULL,
    role text NOT NULL,
    action text NOT NULL,
    resource text NOT NULL,
    status integer NOT NULL,
    request_id text NOT NULL,
    remote text,
    details text NOT NULL,
    hash text NOT NULL
);

CREATE INDEX audit_by_namespace ON audit (namespace, number);

CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to';
END;
$$;

CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_is_only_added_to();

-- `place` is a digest of scope and key.
CREATE TABLE kept_answers (
    place bytea PRIMARY KEY,
    scope text NOT NULL,
    key text NOT NULL,
    request_hash text NOT NULL,
    status integer NOT NULL,
    headers text NOT NULL,
    body text NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX kept_answers_by_expiry ON kept_answers (expires_at);

-- Namespaces that have runs, found by one step in the index for each, however many runs they have.
CREATE VIEW namespaces AS
    WITH RECURSIVE each AS (
        (SELECT namespace FROM runs ORDER BY namespace LIMIT 1)
        UNION ALL
        SELECT (SELECT runs.namespace FROM runs WHERE runs.namespace > each.namespace ORDER BY runs.namespace LIMIT 1)
        FROM each WHERE each.namespace IS NOT NULL
    )
    SELECT namespace FROM each WHERE namespace IS NOT NULL;
