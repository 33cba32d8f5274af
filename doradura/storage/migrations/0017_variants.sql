-- What is wanted of a link is one value. Its key (mp4:720p) stands where a format and a quality stood side by side.

DROP INDEX jobs_ended;
ALTER TABLE jobs RENAME COLUMN quality TO variant;
UPDATE jobs SET variant = format || ':' || variant;
ALTER TABLE jobs DROP COLUMN format;
-- All that a report reads of a job stands in the index, as before.
CREATE INDEX jobs_ended ON jobs (finished_ms, state, worked, started_ms, size_bytes, variant, site, plan, reason)
    WHERE finished_ms IS NOT NULL;

CREATE TABLE sent_files_of_variants (
    cache_key TEXT NOT NULL,
    variant TEXT NOT NULL,
    bot_id BIGINT NOT NULL,             -- a file_id belongs to one bot
    file_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sent_ms BIGINT NOT NULL,
    PRIMARY KEY (cache_key, variant, bot_id)
);
INSERT INTO sent_files_of_variants (cache_key, variant, bot_id, file_id, kind, title, size_bytes, sent_ms)
    SELECT cache_key, format || ':' || quality, bot_id, file_id, kind, title, size_bytes, sent_ms FROM sent_files;
DROP TABLE sent_files;
ALTER TABLE sent_files_of_variants RENAME TO sent_files;
