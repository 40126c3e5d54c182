-- What makes a merge something that can be undone. A distinct id keeps for ever the number under which its events are
-- stored; a merge only says, by override rows, which person a number belongs to, and is written down as a link between two
-- numbers. Links that are not undone form trees: a person is what hangs together.

-- Under which number the events of this id are stored; NULL: its person's own.
ALTER TABLE person_distinct_ids ADD COLUMN number bigint;

-- When the person itself came into being, if a merge has given it the date of an older one; and which properties it has
-- from those merged into it, with the values it got. Where the value is another by now, it is the person's own.
ALTER TABLE persons ADD COLUMN own_created_at timestamptz;
ALTER TABLE persons ADD COLUMN inherited jsonb;

-- Every time two ids became one person: by which event or by whom, and which numbers it links.
CREATE TABLE person_merges (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    happened_at timestamptz NOT NULL,
    -- The event that asked for it, or the user who did it by hand.
    event_name text,
    event_uuid uuid,
    user_id uuid REFERENCES users ON DELETE SET NULL,
    -- The id that was joined, and the one it was joined to.
    other_distinct_id text NOT NULL,
    target_distinct_id text NOT NULL,
    other_number bigint NOT NULL,
    target_number bigint NOT NULL,
    -- The person that ended by it; NULL if an id of nobody was given to the other person.
    other_person bigint,
    -- Its place in the order of links, if that is not its id: a link that got other ends comes last.
    place bigint,
    undone_at timestamptz,
    undone_by uuid REFERENCES users ON DELETE SET NULL
);
-- An event decides once: repeated after a crash it does not redo what was undone meanwhile.
CREATE UNIQUE INDEX person_merges_event ON person_merges (project_id, event_uuid) WHERE event_uuid IS NOT NULL;
CREATE INDEX person_merges_other ON person_merges (project_id, other_number);
CREATE INDEX person_merges_target ON person_merges (project_id, target_number);

-- The profiles of merged persons as they were then, by number, without what they had from others; given back when what
-- made them part of another person is undone.
CREATE TABLE merged_persons (
    id bigint PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    uuid uuid NOT NULL,
    properties jsonb NOT NULL,
    -- Keys that it had from others and that were unset.
    removed jsonb NOT NULL,
    is_identified boolean NOT NULL,
    own_created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);
CREATE INDEX merged_persons_uuid ON merged_persons (project_id, uuid);

-- Kinds of groups, in the order in which a project's events first named them: place 0 is $group_0 on events.
CREATE TABLE group_types (
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    type_index smallint NOT NULL CHECK (type_index BETWEEN 0 AND 4),
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, type_index),
    UNIQUE (project_id, name)
);

-- Groups that $groupidentify told of.
CREATE TABLE groups (
    project_id integer NOT NULL,
    type_index smallint NOT NULL,
    key text NOT NULL,
    properties jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (project_id, type_index, key),
    FOREIGN KEY (project_id, type_index) REFERENCES group_types ON DELETE CASCADE
);
CREATE INDEX groups_newest ON groups (project_id, type_index, created_at DESC, key);
