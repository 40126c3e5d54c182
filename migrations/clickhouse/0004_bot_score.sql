-- How sure it is that a program sent the event, 0 to 100; not set where nothing speaks for it. The class and the rule stand
-- beside it: an event is a bot's if it has a class, which a score of 50 and more gives it.
ALTER TABLE events ADD COLUMN IF NOT EXISTS `$bot_score` Nullable(Int32) CODEC(ZSTD(1)) AFTER `$bot_rule`
