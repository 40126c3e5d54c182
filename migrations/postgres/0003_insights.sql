-- Saved questions and the pages that show them. query holds the JSON of the public query API.
CREATE TABLE insights (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    short_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    query jsonb NOT NULL,
    created_by uuid REFERENCES users ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT insights_short_id_unique UNIQUE (project_id, short_id)
);

CREATE TABLE dashboards (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    is_home boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX dashboards_one_home ON dashboards (project_id) WHERE is_home AND deleted_at IS NULL;

CREATE TABLE dashboard_tiles (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dashboard_id bigint NOT NULL REFERENCES dashboards ON DELETE CASCADE,
    insight_id bigint NOT NULL REFERENCES insights ON DELETE CASCADE,
    position integer NOT NULL,
    width integer NOT NULL DEFAULT 6 CHECK (width BETWEEN 1 AND 12),
    UNIQUE (dashboard_id, insight_id)
);
