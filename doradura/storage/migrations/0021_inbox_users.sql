-- Who sent an update, so that what is stored of them is read together with it. NULL: nobody, or a row of an older version.
ALTER TABLE inbox ADD COLUMN user_id BIGINT;
