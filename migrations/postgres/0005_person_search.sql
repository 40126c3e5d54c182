-- The people list finds the beginning of an e-mail address, a name or a distinct id by these, whatever the collation of
-- the database; persons_email cannot do that in a collation other than C. They hold only people who have the property.
CREATE INDEX persons_email_beginning ON persons (project_id, lower(properties ->> 'email') text_pattern_ops)
    WHERE properties ? 'email';
CREATE INDEX persons_name_beginning ON persons (project_id, lower(properties ->> 'name') text_pattern_ops)
    WHERE properties ? 'name';
CREATE INDEX person_distinct_ids_beginning ON person_distinct_ids (project_id, distinct_id text_pattern_ops);
