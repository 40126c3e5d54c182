-- People with a profile. A person id is the number that stands on every event row in ClickHouse.
CREATE TABLE persons (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    uuid uuid NOT NULL,
    properties jsonb NOT NULL DEFAULT '{}',
    is_identified boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    UNIQUE (project_id, uuid)
);
CREATE INDEX persons_newest ON persons (project_id, created_at DESC, id DESC);
CREATE INDEX persons_email ON persons (project_id, lower(properties ->> 'email'));

CREATE TABLE person_distinct_ids (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    distinct_id text NOT NULL,
    person_id bigint NOT NULL REFERENCES persons ON DELETE CASCADE,
    PRIMARY KEY (project_id, distinct_id)
);
CREATE INDEX person_distinct_ids_person ON person_distinct_ids (person_id);

-- Person ids on stored events that have become another person, by identify or by merge. Written in the transaction that
-- decides it, copied to ClickHouse afterwards; mirrored says which rows have arrived there.
CREATE SEQUENCE person_override_version;
CREATE TABLE person_overrides (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    from_id bigint NOT NULL,
    into_id bigint NOT NULL,
    version bigint NOT NULL DEFAULT nextval('person_override_version'),
    mirrored boolean NOT NULL DEFAULT false,
    PRIMARY KEY (project_id, from_id)
);
CREATE INDEX person_overrides_into ON person_overrides (project_id, into_id);
CREATE INDEX person_overrides_pending ON person_overrides (version) WHERE NOT mirrored;

-- Projects that ever stored an event of someone without a profile. Only there can a distinct id that gets its first
-- profile have earlier events under the hash of the id, so only there an override row is written for it.
CREATE TABLE personless_projects (
    project_id integer PRIMARY KEY REFERENCES projects ON DELETE CASCADE
);
