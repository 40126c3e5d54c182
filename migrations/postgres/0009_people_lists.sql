-- The people list: found by the beginning of what somebody is called, sorted by it, and sorted by when they were last seen.
--
-- An index holds only the beginning of a text: a row whose e-mail address or name is longer than a page of an index could
-- otherwise not be stored at all. What somebody is called is their e-mail address, else their name; those without either
-- come after all others. In the collation C an index serves LIKE, equality and order alike, whatever the database's is.
DROP INDEX persons_email;
DROP INDEX persons_email_beginning;
DROP INDEX persons_name_beginning;
CREATE INDEX persons_label ON persons (
    project_id,
    (left(lower(coalesce(nullif(properties ->> 'email', ''), nullif(properties ->> 'name', ''), chr(1114109))), 200) COLLATE "C"),
    id
);
-- The names of those who are called by their address.
CREATE INDEX persons_name ON persons (project_id, (left(lower(properties ->> 'name'), 200) COLLATE "C"))
    WHERE properties ? 'email' AND properties ? 'name';
CREATE INDEX persons_last_seen ON persons (project_id, last_seen_at DESC, id DESC);

-- Who changed a property of a person by hand, when, and from what to what; null where it was not set or is not set now.
-- A person that is erased takes these along.
CREATE TABLE person_property_edits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL REFERENCES projects ON DELETE CASCADE,
    person_id bigint NOT NULL REFERENCES persons ON DELETE CASCADE,
    key text NOT NULL,
    old_value jsonb,
    new_value jsonb,
    edited_by uuid REFERENCES users ON DELETE SET NULL,
    edited_at timestamptz NOT NULL
);
CREATE INDEX person_property_edits_person ON person_property_edits (person_id, key, id DESC);
