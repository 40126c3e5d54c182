-- What a merge must not lose, and its undoing give back.

-- A change by hand stays with the number of the person it was made on. Whoever that number leads to shows it; the merge that
-- led it there may be undone.
ALTER TABLE person_property_edits DROP CONSTRAINT person_property_edits_person_id_fkey;

-- Whether $identify ever named this distinct id. A person is identified by such an id or by a merge that stands, so that an
-- undone merge leaves identified only who is so without it. Who was identified before this was written down stays so.
ALTER TABLE person_distinct_ids ADD COLUMN is_identified boolean NOT NULL DEFAULT false;
UPDATE person_distinct_ids AS d
SET is_identified = true
FROM persons AS p
WHERE p.id = d.person_id AND p.is_identified AND coalesce(d.number, p.id) = p.id;
UPDATE person_distinct_ids AS d
SET is_identified = true
FROM merged_persons AS m
WHERE m.project_id = d.project_id AND m.id = d.number AND m.is_identified;
-- Not written any more; an instance of before still does.
ALTER TABLE merged_persons ALTER COLUMN is_identified SET DEFAULT false;
