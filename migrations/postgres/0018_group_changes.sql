-- Questions about groups are answered in ClickHouse, from a mirror. Here stands what changed since it was last brought up to
-- date, noted by triggers in the transaction that changes it, as for people (0013_person_changes). A group's row is locked while
-- it changes: of two changes of one group, the later has the higher number.
CREATE TABLE group_changes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL,
    type_index smallint NOT NULL,
    key text NOT NULL
);

CREATE FUNCTION note_group_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO group_changes (project_id, type_index, key) SELECT project_id, type_index, key FROM old_rows;
    ELSE
        INSERT INTO group_changes (project_id, type_index, key) SELECT project_id, type_index, key FROM new_rows;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER groups_inserted AFTER INSERT ON groups
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_group_changes();
CREATE TRIGGER groups_updated AFTER UPDATE ON groups
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_group_changes();
CREATE TRIGGER groups_deleted AFTER DELETE ON groups
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_group_changes();

-- Those that were there before.
INSERT INTO group_changes (project_id, type_index, key) SELECT project_id, type_index, key FROM groups;
