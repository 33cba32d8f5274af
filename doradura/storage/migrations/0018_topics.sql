-- Parts meet in rows: who has what in hand, and what a part is to be told of chats.

-- The run of the program that has a job or an offer in hand, or had it last. NULL: nobody's yet, or from before this column.
ALTER TABLE jobs ADD COLUMN instance BIGINT;
ALTER TABLE offers ADD COLUMN instance BIGINT;

-- Chats that take nothing any more, until the work in hand for them was ended.
CREATE TABLE closed_chats (
    chat_id BIGINT NOT NULL PRIMARY KEY,
    closed_ms BIGINT NOT NULL
);

-- 1: a chat that refused alerts has been heard of since, and is to be tried again.
ALTER TABLE alert_targets ADD COLUMN reopened INTEGER NOT NULL DEFAULT 0;
