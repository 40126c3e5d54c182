-- What the next migration adds is worked out anew whenever rows leave a part: where a merge finds a row twice, and where a
-- person is erased. Without these a table that merges rows away refuses it. They come first: the engine asks for them before
-- it looks at the rest of a statement.
ALTER TABLE events MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild'
