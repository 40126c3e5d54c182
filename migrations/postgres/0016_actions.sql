-- Actions: names for events that are alike to who asks. steps is a list in the JSON of the public API; an event is one of the
-- action if any of them fits, whenever it happened.
CREATE TABLE actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    steps jsonb NOT NULL,
    tags jsonb NOT NULL DEFAULT '[]',
    created_by uuid REFERENCES users ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX actions_name_unique ON actions (project_id, name) WHERE deleted_at IS NULL;
