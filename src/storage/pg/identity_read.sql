-- Distinct ids ($2, $3), whose they are, and whether a person may be made for one that is nobody's ($4).
WITH wanted AS MATERIALIZED (
    SELECT asked.project_id, asked.distinct_id, asked.may_be_created, d.person_id, d.number, d.is_identified
    FROM UNNEST($2::integer[], $3::text[], $4::boolean[]) AS asked (project_id, distinct_id, may_be_created)
    LEFT JOIN person_distinct_ids AS d ON d.project_id = asked.project_id AND d.distinct_id = asked.distinct_id
)
-- Projects that exist ($1), and whether they ever had an event of somebody without a profile.
SELECT 0 AS kind, p.id AS project_id, NULL::text AS name,
       EXISTS (SELECT FROM personless_projects AS l WHERE l.project_id = p.id) AS has_personless_events,
       NULL::bigint AS number, NULL::uuid AS uuid, NULL::bigint AS person_id, NULL::jsonb AS properties,
       NULL::boolean AS is_identified, NULL::timestamptz AS own_created_at, NULL::timestamptz AS created_at,
       NULL::timestamptz AS last_seen_at, NULL::bigint AS version, NULL::jsonb AS inherited
FROM projects AS p
WHERE p.id = ANY($1)
UNION ALL
-- The persons of these ids: each once, however many ids it has. Properties that are known ($8) in this version ($9) stay here.
SELECT 1, p.project_id, NULL, NULL, NULL, p.uuid, p.id,
       CASE WHEN known.version IS DISTINCT FROM p.version THEN p.properties END, p.is_identified,
       coalesce(p.own_created_at, p.created_at), p.created_at, p.last_seen_at, p.version, p.inherited
FROM persons AS p
LEFT JOIN UNNEST($8::bigint[], $9::bigint[]) AS known (id, version) ON known.id = p.id
WHERE p.id IN (SELECT person_id FROM wanted)
UNION ALL
-- The ids. One of nobody's is left out, unless a person may be made for it: it comes with a number for that.
SELECT 2, project_id, distinct_id, NULL,
       CASE WHEN person_id IS NULL THEN nextval('persons_id_seq') ELSE coalesce(number, person_id) END, NULL, person_id,
       NULL, is_identified, NULL, NULL, NULL, NULL, NULL
FROM wanted
WHERE person_id IS NOT NULL OR may_be_created
UNION ALL
-- Which of these events ($5, $6) have merged somebody before.
SELECT 3, m.project_id, NULL, NULL, NULL, m.event_uuid, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM UNNEST($5::integer[], $6::uuid[]) AS asked (project_id, event_uuid)
JOIN person_merges AS m ON m.project_id = asked.project_id AND m.event_uuid = asked.event_uuid
UNION ALL
-- The types of groups of projects whose events name some ($7).
SELECT 4, g.project_id, g.name, NULL, g.type_index, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM group_types AS g
WHERE g.project_id = ANY($7)
