-- Questions about people are answered in ClickHouse, from a mirror of persons and distinct ids. Here stands what changed
-- since it was last brought up to date, whoever changed it: triggers note it in the transaction that does. Rows are only
-- added and removed, never changed, so that nobody waits for anybody. A person's row is locked while it changes: of two
-- changes of one person, the later has the higher number.
CREATE TABLE person_changes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id integer NOT NULL,
    -- One of the two.
    person_id bigint,
    distinct_id text
);

CREATE FUNCTION note_person_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO person_changes (project_id, person_id) SELECT project_id, id FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO person_changes (project_id, person_id) SELECT project_id, id FROM old_rows;
    ELSE
        -- When somebody was last seen is not mirrored: it changes with every event.
        INSERT INTO person_changes (project_id, person_id)
        SELECT n.project_id, n.id
        FROM new_rows AS n
        JOIN old_rows AS o ON o.id = n.id
        WHERE (n.uuid, n.properties, n.is_identified, n.created_at)
            IS DISTINCT FROM (o.uuid, o.properties, o.is_identified, o.created_at);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION note_distinct_id_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO person_changes (project_id, distinct_id) SELECT project_id, distinct_id FROM old_rows;
    ELSE
        INSERT INTO person_changes (project_id, distinct_id) SELECT project_id, distinct_id FROM new_rows;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER persons_inserted AFTER INSERT ON persons
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_person_changes();
CREATE TRIGGER persons_updated AFTER UPDATE ON persons
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_person_changes();
CREATE TRIGGER persons_deleted AFTER DELETE ON persons
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_person_changes();
CREATE TRIGGER person_distinct_ids_inserted AFTER INSERT ON person_distinct_ids
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_distinct_id_changes();
CREATE TRIGGER person_distinct_ids_updated AFTER UPDATE ON person_distinct_ids
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_distinct_id_changes();
CREATE TRIGGER person_distinct_ids_deleted AFTER DELETE ON person_distinct_ids
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION note_distinct_id_changes();

-- Who was there before.
INSERT INTO person_changes (project_id, person_id) SELECT project_id, id FROM persons;
INSERT INTO person_changes (project_id, distinct_id) SELECT project_id, distinct_id FROM person_distinct_ids;
