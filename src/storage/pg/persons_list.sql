SELECT p.id, p.uuid, p.properties, p.is_identified, p.created_at, p.last_seen_at, d.distinct_ids, d.distinct_id_count
FROM (
    -- Downwards from the place, or upwards ($5): only one of the two is carried out, each by the index of the newest.
    (SELECT *
     FROM persons
     WHERE project_id = $1 AND NOT $5
       AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'), coalesce($3::bigint, 0))
     ORDER BY created_at DESC, id DESC
     LIMIT $4)
    UNION ALL
    (SELECT *
     FROM persons
     WHERE project_id = $1 AND $5
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
