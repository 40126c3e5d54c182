-- What is kept of privacy: a project's choices, who opted out, who was erased, and the salts of visitors without cookies.
--
-- The pipeline keeps a copy of who is left out; version tells it when to read again, at the price of one number a batch.
CREATE TABLE privacy_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO privacy_version (version) VALUES (1);

-- A project without a row has the defaults.
CREATE TABLE project_privacy (
    project_id integer PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
    cookieless boolean NOT NULL DEFAULT false
);

CREATE TABLE opt_outs (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    distinct_id text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (project_id, distinct_id)
);

-- One salt for each calendar day that is not over everywhere. Whoever deletes a row also rewrites the table.
CREATE TABLE cookieless_salts (
    day date PRIMARY KEY,
    salt bytea NOT NULL
);
-- Which session a visitor without cookies is in. Not worth a log: after a crash of Postgres everybody begins a new one.
CREATE UNLOGGED TABLE cookieless_sessions (
    project_id integer NOT NULL,
    visitor text NOT NULL,
    session_id uuid NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, visitor)
);
CREATE INDEX cookieless_sessions_age ON cookieless_sessions (last_at);

-- Keys of this installation: what receipts are signed with, and what erased ids are hashed with.
CREATE TABLE install_secrets (
    name text PRIMARY KEY,
    secret bytea NOT NULL
);
