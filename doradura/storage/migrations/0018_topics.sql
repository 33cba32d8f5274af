-- Parts communicate by rows: which instance runs which job, and which chats closed or accept messages again.

-- The run of the program that took a job or an offer last. NULL: none did, or it was taken before this column existed.
ALTER TABLE jobs ADD COLUMN instance BIGINT;
ALTER TABLE offers ADD COLUMN instance BIGINT;

-- Chats to which the bot can no longer write, until their jobs were ended.
CREATE TABLE closed_chats (
    chat_id BIGINT NOT NULL PRIMARY KEY,
    closed_ms BIGINT NOT NULL
);

-- 1: the bot heard from a chat that refused alerts before, so alerts are tried there again.
ALTER TABLE alert_targets ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;
