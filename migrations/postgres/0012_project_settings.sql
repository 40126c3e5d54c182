-- What a project's questions go by: the day its weeks begin with (0 Sunday, 1 Monday), the filters that leave its own staff
-- out, and the rules that make paths of one page alike. Filters and rules are kept in the JSON of the public API.
ALTER TABLE projects
    ADD COLUMN week_start_day smallint NOT NULL DEFAULT 0 CHECK (week_start_day IN (0, 1)),
    ADD COLUMN test_account_filters jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN path_cleaning_filters jsonb NOT NULL DEFAULT '[]';

-- By which the API names a property's definition.
ALTER TABLE property_definitions
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT property_definitions_id_unique UNIQUE;
