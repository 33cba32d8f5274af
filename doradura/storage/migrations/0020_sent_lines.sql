-- The real size of a film's picture ("480p" may be smaller), for the caption when the file is sent again.

ALTER TABLE sent_files ADD COLUMN lines INTEGER;    -- the shorter side of the picture in pixels; NULL for audio
