-- The last search for people who share a value of a property. Finding them takes a look at everybody, so it is done when
-- asked for, and pages read what was found.
CREATE TABLE duplicate_searches (
    project_id integer PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
    property text NOT NULL,
    searched_at timestamptz NOT NULL,
    -- More were found than are kept.
    is_cut boolean NOT NULL
);

CREATE TABLE duplicates (
    project_id integer NOT NULL REFERENCES duplicate_searches ON DELETE CASCADE,
    -- Lower case.
    value text NOT NULL,
    people bigint NOT NULL,
    -- The oldest few.
    person_ids bigint[] NOT NULL,
    PRIMARY KEY (project_id, value)
);
CREATE INDEX duplicates_largest ON duplicates (project_id, people DESC, value);
