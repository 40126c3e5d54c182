-- A batch that identifies people notes some thousand of them for the mirror. A row for each was a write to the table, one to
-- its key and one to take it away again, about a third of what such a batch writes. Here a statement notes all it changed in
-- one row, or one for every 500 of them. As before, rows are only added and removed, and of two changes of one person the
-- later has the higher number.
ALTER TABLE person_changes ADD COLUMN person_ids bigint[], ADD COLUMN distinct_ids text[];
UPDATE person_changes
SET person_ids = CASE WHEN person_id IS NOT NULL THEN ARRAY[person_id] END,
    distinct_ids = CASE WHEN distinct_id IS NOT NULL THEN ARRAY[distinct_id] END;
ALTER TABLE person_changes DROP COLUMN person_id, DROP COLUMN distinct_id;

DROP FUNCTION note_person_changes, note_distinct_id_changes CASCADE;

CREATE FUNCTION note_persons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person_changes (project_id, person_ids)
    SELECT project_id, array_agg(id)
    FROM (SELECT project_id, id, (row_number() OVER () - 1) / 500 AS part FROM changed) AS numbered
    GROUP BY project_id, part;
    RETURN NULL;
END $$;

CREATE FUNCTION note_updated_persons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- When somebody was last seen is not mirrored: it changes with every event.
    INSERT INTO person_changes (project_id, person_ids)
    SELECT project_id, array_agg(id)
    FROM (
        SELECT n.project_id, n.id, (row_number() OVER () - 1) / 500 AS part
        FROM new_rows AS n
        JOIN old_rows AS o ON o.id = n.id
        WHERE (n.uuid, n.properties, n.is_identified, n.created_at)
            IS DISTINCT FROM (o.uuid, o.properties, o.is_identified, o.created_at)
    ) AS numbered
    GROUP BY project_id, part;
    RETURN NULL;
END $$;

CREATE FUNCTION note_distinct_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person_changes (project_id, distinct_ids)
    SELECT project_id, array_agg(distinct_id)
    FROM (SELECT project_id, distinct_id, (row_number() OVER () - 1) / 500 AS part FROM changed) AS numbered
    GROUP BY project_id, part;
    RETURN NULL;
END $$;

CREATE TRIGGER persons_inserted AFTER INSERT ON persons
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_persons();
CREATE TRIGGER persons_updated AFTER UPDATE ON persons
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_updated_persons();
CREATE TRIGGER persons_deleted AFTER DELETE ON persons
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_persons();
CREATE TRIGGER person_distinct_ids_inserted AFTER INSERT ON person_distinct_ids
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_distinct_ids();
CREATE TRIGGER person_distinct_ids_updated AFTER UPDATE ON person_distinct_ids
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_distinct_ids();
CREATE TRIGGER person_distinct_ids_deleted AFTER DELETE ON person_distinct_ids
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_distinct_ids();

-- The same for overrides.
ALTER TABLE override_changes ADD COLUMN from_ids bigint[];
UPDATE override_changes SET from_ids = ARRAY[from_id];
ALTER TABLE override_changes DROP COLUMN from_id, ALTER COLUMN from_ids SET NOT NULL;

CREATE OR REPLACE FUNCTION note_override_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO override_changes (project_id, from_ids)
    SELECT project_id, array_agg(from_id)
    FROM (SELECT project_id, from_id, (row_number() OVER () - 1) / 500 AS part FROM new_rows) AS numbered
    GROUP BY project_id, part;
    RETURN NULL;
END $$;
