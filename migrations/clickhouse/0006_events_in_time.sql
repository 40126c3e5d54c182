-- An insert whose name says until when it may begin is refused after that. One whose answer was lost may still sit in a
-- proxy: once that moment has passed, and it does not run, it never will, and its events can be sent again.
ALTER TABLE events ADD CONSTRAINT IF NOT EXISTS in_time CHECK throwIf(
    toInt64OrZero(extract(getSetting('log_comment'), '^tenrec-[0-9a-f-]+-until-([0-9]+)'))
        BETWEEN 1 AND toUnixTimestamp64Milli(now64(3)) - 1,
    'the insert comes too late') = 0
