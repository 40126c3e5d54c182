-- Cohorts: names for sets of people. filters is in the JSON of the public API and is asked anew with every question; the members
-- of a static one stand in ClickHouse (cohort_members), by their numbers.
CREATE TABLE cohorts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    is_static boolean NOT NULL,
    filters jsonb NOT NULL DEFAULT '{}',
    -- The question whose people a static one was made of.
    query jsonb,
    -- How many people were in it when somebody last looked.
    last_count bigint,
    last_counted_at timestamptz,
    created_by uuid REFERENCES users ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX cohorts_of_project ON cohorts (project_id) WHERE deleted_at IS NULL;
