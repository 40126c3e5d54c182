-- What became of every event that was received. The pipeline adds the counts of a batch in one transaction with the number
-- of the batch's last frame, so that a batch repeated after a crash is counted once. hour is the hour of arrival, in UTC.
CREATE TABLE ingest_ledger (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('received', 'stored', 'duplicate', 'rejected', 'quarantined')),
    reason text NOT NULL DEFAULT '',
    events bigint NOT NULL,
    PRIMARY KEY (project_id, hour, outcome, reason)
);

-- How far the spool of each node is counted.
CREATE TABLE ingest_progress (
    node uuid PRIMARY KEY,
    seq bigint NOT NULL
);

-- The newest events of each project that were not stored, to look at. Pruned by the pipeline: so many and so old.
CREATE TABLE unstored_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('rejected', 'quarantined')),
    received_at timestamptz NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL DEFAULT '',
    count bigint NOT NULL DEFAULT 1,
    event text,
    distinct_id text,
    uuid text,
    sample text NOT NULL DEFAULT ''
);
CREATE INDEX unstored_events_newest ON unstored_events (project_id, kind, id DESC);
CREATE INDEX unstored_events_age ON unstored_events (received_at);
