-- Projects that exist ($1), and whether they ever had an event of somebody without a profile.
SELECT 0 AS kind, p.id AS project_id, NULL::text AS name,
       EXISTS (SELECT FROM personless_projects AS l WHERE l.project_id = p.id) AS has_personless_events,
       NULL::bigint AS number, NULL::uuid AS uuid, NULL::bigint AS person_id, NULL::jsonb AS properties,
       NULL::boolean AS is_identified, NULL::timestamptz AS own_created_at, NULL::timestamptz AS created_at,
       NULL::timestamptz AS last_seen_at, NULL::bigint AS version, NULL::jsonb AS inherited,
       NULL::boolean AS is_id_identified
FROM projects AS p
WHERE p.id = ANY($1)
UNION ALL
-- Distinct ids ($2, $3) with their persons. One of nobody's is left out, unless a person may be made for it ($4): it comes
-- with a number for that.
SELECT 1, wanted.project_id, wanted.distinct_id, NULL,
       CASE WHEN p.id IS NULL THEN nextval('persons_id_seq') ELSE coalesce(d.number, p.id) END, p.uuid, p.id,
       p.properties, p.is_identified, coalesce(p.own_created_at, p.created_at), p.created_at, p.last_seen_at, p.version,
       p.inherited, d.is_identified
FROM UNNEST($2::integer[], $3::text[], $4::boolean[]) AS wanted (project_id, distinct_id, may_be_created)
LEFT JOIN person_distinct_ids AS d ON d.project_id = wanted.project_id AND d.distinct_id = wanted.distinct_id
LEFT JOIN persons AS p ON p.id = d.person_id
WHERE p.id IS NOT NULL OR wanted.may_be_created
UNION ALL
-- Which of these events ($5, $6) have merged somebody before.
SELECT 2, m.project_id, NULL, NULL, NULL, m.event_uuid, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM UNNEST($5::integer[], $6::uuid[]) AS asked (project_id, event_uuid)
JOIN person_merges AS m ON m.project_id = asked.project_id AND m.event_uuid = asked.event_uuid
UNION ALL
-- The types of groups of projects whose events name some ($7).
SELECT 3, g.project_id, g.name, NULL, g.type_index, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM group_types AS g
WHERE g.project_id = ANY($7)
