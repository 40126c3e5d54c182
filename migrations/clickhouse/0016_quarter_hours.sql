-- How many events of each name there were in each quarter of an hour, people's and programs' apart: most lines on dashboards
-- ask no more. It is a part of each part of the table, written and thrown away with it, so it says what the rows say at any
-- time, whatever is sent twice, merged or erased.
--
-- The clocks of all zones are whole quarters of an hour apart nowadays, so hours, days, weeks and months of any of them are
-- made of these; where they were not, rows are counted.
--
-- Parts that are there already do not have it, and are right without: they get it in the background once the server has
-- started, for parts with and without are not merged with each other.
ALTER TABLE events ADD PROJECTION IF NOT EXISTS quarter_hours
(
    SELECT
        project_id,
        event,
        toStartOfFifteenMinutes(timestamp),
        ifNull(`$bot_class`, '') != '',
        count()
    GROUP BY
        project_id,
        event,
        toStartOfFifteenMinutes(timestamp),
        ifNull(`$bot_class`, '') != ''
)
