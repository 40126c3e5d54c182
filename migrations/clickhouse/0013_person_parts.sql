-- What people are now changes all the time and is merged over and over: one file for a part costs a third less than a file for
-- each column until a part is large.
ALTER TABLE persons MODIFY SETTING min_bytes_for_wide_part = 268435456;
