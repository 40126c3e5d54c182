-- By the beginning of an e-mail address ($6), of a name, of a distinct id ($7), by UUID ($9): each by its index.
WITH hits AS (
    (SELECT id FROM persons
     WHERE project_id = $1 AND properties ? 'email' AND lower(properties ->> 'email') LIKE $6 LIMIT $10)
    UNION
    (SELECT id FROM persons
     WHERE project_id = $1 AND properties ? 'name' AND lower(properties ->> 'name') LIKE $6 LIMIT $10)
    UNION
    (SELECT person_id FROM person_distinct_ids WHERE project_id = $1 AND distinct_id LIKE $7 LIMIT $10)
    UNION
    (SELECT id FROM persons WHERE project_id = $1 AND uuid = $9)
    UNION
    -- By any part of address or name ($8), among the newest only: there is no index for that.
    (SELECT id
     FROM (SELECT id, properties FROM persons WHERE project_id = $1 ORDER BY created_at DESC, id DESC LIMIT $11) newest
     WHERE lower(properties ->> 'email') LIKE $8 OR lower(properties ->> 'name') LIKE $8
     LIMIT $10)
)
SELECT p.id, p.uuid, p.properties, p.is_identified, p.created_at, p.last_seen_at, d.distinct_ids, d.distinct_id_count
FROM (
    -- Downwards from the place, or upwards ($5): only one of the two is carried out, each by the index of the newest.
    (SELECT *
     FROM persons
     WHERE project_id = $1 AND id IN (SELECT id FROM hits) AND NOT $5
       AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::bigint, 0))
     ORDER BY created_at DESC, id DESC
     LIMIT $4)
    UNION ALL
    (SELECT *
     FROM persons
     WHERE project_id = $1 AND id IN (SELECT id FROM hits) AND $5
       AND (created_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::bigint, 0))
     ORDER BY created_at, id
     LIMIT $4)
) p
CROSS JOIN LATERAL (
    SELECT coalesce((array_agg(distinct_id ORDER BY length(distinct_id), distinct_id))[1:3], '{}') AS distinct_ids,
           count(*) AS distinct_id_count
    FROM person_distinct_ids
    WHERE person_id = p.id
) d
ORDER BY p.created_at DESC, p.id DESC
