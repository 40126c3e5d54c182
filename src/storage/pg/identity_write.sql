-- All that a batch changes, in one statement: every part sees what was there before, and no two touch the same row.
WITH personless AS (
    INSERT INTO personless_projects (project_id) SELECT * FROM UNNEST($1::integer[]) ON CONFLICT DO NOTHING
),
-- The uuid follows from the first distinct id. Should somebody have it, who lost that id, a random one does as well.
created AS (
    INSERT INTO persons (project_id, id, uuid, properties, is_identified, own_created_at, created_at, last_seen_at,
                         inherited)
    OVERRIDING SYSTEM VALUE
    SELECT new.project_id, new.id, CASE WHEN taken.id IS NULL THEN new.uuid ELSE gen_random_uuid() END,
           new.properties, new.is_identified, new.own_created_at, new.created_at, new.last_seen_at, new.inherited
    FROM UNNEST($2::integer[], $3::bigint[], $4::uuid[], $5::jsonb[], $6::boolean[], $7::timestamptz[],
                $8::timestamptz[], $9::timestamptz[], $10::jsonb[])
      AS new (project_id, id, uuid, properties, is_identified, own_created_at, created_at, last_seen_at, inherited)
    LEFT JOIN persons AS taken ON taken.project_id = new.project_id AND taken.uuid = new.uuid
),
changed AS (
    UPDATE persons AS p
    SET properties = new.properties, is_identified = new.is_identified, own_created_at = new.own_created_at,
        created_at = new.created_at, last_seen_at = new.last_seen_at, version = new.version,
        inherited = new.inherited
    FROM UNNEST($11::bigint[], $12::jsonb[], $13::boolean[], $14::timestamptz[], $15::timestamptz[],
                $16::timestamptz[], $17::bigint[], $18::jsonb[])
      AS new (id, properties, is_identified, own_created_at, created_at, last_seen_at, version, inherited)
    WHERE p.id = new.id
),
-- Distinct ids that belonged to nobody.
given AS (
    INSERT INTO person_distinct_ids (project_id, distinct_id, person_id, number, is_identified)
    SELECT * FROM UNNEST($19::integer[], $20::text[], $21::bigint[], $22::bigint[], $23::boolean[])
),
-- Those that $identify named for the first time; where the person is gone by this, below.
identified AS (
    UPDATE person_distinct_ids AS d
    SET is_identified = true
    FROM UNNEST($24::integer[], $25::text[]) AS named (project_id, distinct_id)
    WHERE d.project_id = named.project_id AND d.distinct_id = named.distinct_id AND d.person_id <> ALL ($27::bigint[])
),
-- Persons that became another: their ids move and keep their numbers, what led to them leads on, so that one look-up is
-- enough, and they are gone.
moved AS (
    UPDATE person_distinct_ids AS d
    SET person_id = absorbed.into_id, number = coalesce(d.number, absorbed.id),
        is_identified = d.is_identified OR (d.project_id, d.distinct_id) IN (SELECT * FROM UNNEST($24::integer[], $25::text[]))
    FROM UNNEST($26::integer[], $27::bigint[], $28::bigint[]) AS absorbed (project_id, id, into_id)
    WHERE d.person_id = absorbed.id
),
led_on AS (
    UPDATE person_overrides AS o
    SET into_id = absorbed.into_id, version = nextval('person_override_version')
    FROM UNNEST($26::integer[], $27::bigint[], $28::bigint[]) AS absorbed (project_id, id, into_id)
    WHERE o.project_id = absorbed.project_id AND o.into_id = absorbed.id AND o.from_id <> o.into_id
),
gone AS (
    DELETE FROM persons AS p
    USING UNNEST($26::integer[], $27::bigint[]) AS absorbed (project_id, id)
    WHERE p.project_id = absorbed.project_id AND p.id = absorbed.id
),
overridden AS (
    INSERT INTO person_overrides (project_id, from_id, into_id)
    SELECT * FROM UNNEST($29::integer[], $30::bigint[], $31::bigint[])
    ON CONFLICT (project_id, from_id) DO UPDATE
    SET into_id = EXCLUDED.into_id, version = nextval('person_override_version')
),
logged AS (
    INSERT INTO person_merges (project_id, happened_at, event_name, event_uuid, user_id, other_distinct_id,
                               target_distinct_id, other_number, target_number, other_person)
    SELECT project_id, happened_at, event_name, event_uuid, user_id, other_distinct_id, target_distinct_id, other_number,
           target_number, other_person
    FROM UNNEST($32::integer[], $33::timestamptz[], $34::text[], $35::uuid[], $36::uuid[], $37::text[], $38::text[],
                $39::bigint[], $40::bigint[], $41::bigint[]) WITH ORDINALITY
      AS new (project_id, happened_at, event_name, event_uuid, user_id, other_distinct_id, target_distinct_id,
              other_number, target_number, other_person, place)
    ORDER BY place
),
kept AS (
    INSERT INTO merged_persons (project_id, id, uuid, properties, removed, own_created_at, last_seen_at)
    SELECT *
    FROM UNNEST($42::integer[], $43::bigint[], $44::uuid[], $45::jsonb[], $46::jsonb[], $47::timestamptz[], $48::timestamptz[])
),
typed AS (
    INSERT INTO group_types (project_id, type_index, name, created_at)
    SELECT * FROM UNNEST($49::integer[], $50::smallint[], $51::text[], $52::timestamptz[])
)
INSERT INTO groups (project_id, type_index, key, properties, created_at)
SELECT * FROM UNNEST($53::integer[], $54::smallint[], $55::text[], $56::jsonb[], $57::timestamptz[])
ON CONFLICT (project_id, type_index, key) DO UPDATE
SET properties = groups.properties || EXCLUDED.properties,
    created_at = LEAST(groups.created_at, EXCLUDED.created_at)
