-- Names that were seen, for pickers. Bounded per project by the pipeline; an event beyond the bound is stored all the same.
CREATE TABLE event_definitions (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, name)
);

CREATE TABLE property_definitions (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('event', 'person')),
    name text NOT NULL,
    property_type text NOT NULL CHECK (property_type IN ('String', 'Numeric', 'Boolean', 'DateTime', 'Object')),
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, kind, name)
);
