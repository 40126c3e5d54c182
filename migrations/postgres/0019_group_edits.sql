-- Who changed a property of a group by hand, when, and from what to what; null where it was not set or is not set now.
CREATE TABLE group_property_edits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL,
    type_index smallint NOT NULL,
    group_key text NOT NULL,
    key text NOT NULL,
    old_value jsonb,
    new_value jsonb,
    edited_by uuid REFERENCES users ON DELETE SET NULL,
    edited_at timestamptz NOT NULL,
    FOREIGN KEY (project_id, type_index, group_key) REFERENCES groups ON DELETE CASCADE
);
CREATE INDEX group_property_edits_group ON group_property_edits (project_id, type_index, group_key, key, id DESC);
