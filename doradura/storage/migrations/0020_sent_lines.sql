-- What a film really is ("480p" may have been made of a smaller one) is said again when it is sent again.

ALTER TABLE sent_files ADD COLUMN lines INTEGER;    -- the shorter side of its picture in pixels; NULL of a sound
