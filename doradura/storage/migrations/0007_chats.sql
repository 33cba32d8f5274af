-- Groups: the topic a wish came from, and groups that became supergroups under another id.

ALTER TABLE jobs ADD COLUMN thread_id BIGINT;
ALTER TABLE offers ADD COLUMN thread_id BIGINT;
CREATE INDEX jobs_asked_by ON jobs (chat_id, reply_to);
CREATE INDEX offers_asked_by ON offers (chat_id, reply_to);

CREATE TABLE chat_migrations (
    old_chat_id BIGINT NOT NULL PRIMARY KEY,
    new_chat_id BIGINT NOT NULL,
    migrated_ms BIGINT NOT NULL
);
