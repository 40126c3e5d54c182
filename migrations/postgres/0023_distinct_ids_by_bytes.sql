-- Distinct ids are compared byte by byte, whatever the collation of the database: they are equal or they are not. In the
-- collation C the key also finds those that begin with a text, for which there was an index of its own.
ALTER TABLE person_distinct_ids ALTER COLUMN distinct_id TYPE text COLLATE "C";
DROP INDEX person_distinct_ids_beginning;
