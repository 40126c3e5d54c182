-- The mirror of people has learnt how they first came: whoever is in it already is copied once more.
INSERT INTO person_changes (project_id, person_id) SELECT project_id, id FROM persons;
