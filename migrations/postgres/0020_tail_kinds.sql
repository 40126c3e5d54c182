-- Which kinds of values (ValueKinds) an event's property ever had in the tail of ClickHouse's events, where a question then
-- looks for nothing else: a key with a column of its own is there only with values that did not fit it. Null where that is
-- not known, as it is of all that was stored before.
ALTER TABLE property_definitions ADD COLUMN tail_kinds smallint;

-- Whether a property without a row there was never sent.
ALTER TABLE projects ADD COLUMN knows_tails boolean NOT NULL DEFAULT true;
UPDATE projects SET knows_tails = false;
