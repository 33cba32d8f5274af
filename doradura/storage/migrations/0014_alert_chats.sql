-- Alerts go to chats: an admin's own, a group, a topic of one, a channel. A target is known by an id of ours, so that a
-- group that gets another id stays the same target.
CREATE TABLE alert_targets (
    target_id BIGINT NOT NULL PRIMARY KEY,
    chat_id BIGINT NOT NULL,
    topic_id BIGINT NOT NULL DEFAULT 0, -- 0: the chat itself
    active INTEGER NOT NULL DEFAULT 1,  -- 0: the settings name it no more; its messages stand there still
    fault TEXT,                         -- why Telegram refuses to write there; NULL while it does not
    fault_ms BIGINT
);
CREATE UNIQUE INDEX alert_targets_chat ON alert_targets (chat_id, topic_id);

INSERT INTO alert_targets (target_id, chat_id, active, fault, fault_ms)
    SELECT admin_id, admin_id, 1, fault, fault_ms FROM alert_admins;
INSERT INTO alert_targets (target_id, chat_id, active)
    SELECT DISTINCT admin_id, admin_id, 0 FROM alert_messages
    WHERE admin_id NOT IN (SELECT admin_id FROM alert_admins);
DROP TABLE alert_admins;

ALTER TABLE alert_outbox RENAME COLUMN admin_id TO target_id;
ALTER TABLE alert_messages RENAME COLUMN admin_id TO target_id;
