-- Who is to be told: the admins of the settings, taken over at each start, so that any transaction can tell them.
CREATE TABLE alert_admins (
    admin_id BIGINT NOT NULL PRIMARY KEY,
    fault TEXT,                         -- why Telegram refuses to write to them; NULL while it does not
    fault_ms BIGINT
);

-- Which notices of Alertmanager's were there already: it repeats each whole group at every POST.
CREATE TABLE alert_seen (
    group_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    starts TEXT NOT NULL,               -- as Alertmanager wrote it
    status TEXT NOT NULL,
    last_ms BIGINT NOT NULL,
    PRIMARY KEY (fingerprint, starts, status, group_key)
);
CREATE INDEX alert_seen_last ON alert_seen (last_ms);

-- A message in the admins' chats: one incident's, or that of many which began in one POST.
CREATE TABLE alert_cards (
    card_id BIGINT NOT NULL PRIMARY KEY,
    told_ms BIGINT NOT NULL             -- when the admins were last told aloud: at its making, at a reminder
);

CREATE TABLE alert_incidents (
    incident_id BIGINT NOT NULL PRIMARY KEY,
    card_id BIGINT NOT NULL REFERENCES alert_cards (card_id),
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'resolved', 'note')),
    severity_rank INTEGER NOT NULL,     -- 0 critical, 1 warning, 2 the rest
    alertname TEXT NOT NULL,
    summary TEXT NOT NULL,
    description TEXT NOT NULL,
    instance TEXT NOT NULL,
    runbook TEXT NOT NULL,
    starts TEXT NOT NULL,               -- of the last firing notice, as Alertmanager wrote it
    since_ms BIGINT NOT NULL,           -- the same moment
    remind_ms BIGINT,
    fired INTEGER NOT NULL DEFAULT 1,   -- how often it has fired in this message
    ended_ms BIGINT,                    -- when it ended, by Alertmanager's word
    closed_ms BIGINT,                   -- when we were told so
    doubtful INTEGER NOT NULL DEFAULT 0 -- 1: told so while the watchdog was silent
);
CREATE UNIQUE INDEX alert_incidents_open ON alert_incidents (fingerprint) WHERE state = 'firing';
CREATE INDEX alert_incidents_latest ON alert_incidents (fingerprint, incident_id);
CREATE INDEX alert_incidents_card ON alert_incidents (card_id);
CREATE INDEX alert_incidents_closed ON alert_incidents (closed_ms) WHERE state <> 'firing';

-- Where a card stands in an admin's chat.
CREATE TABLE alert_messages (
    card_id BIGINT NOT NULL REFERENCES alert_cards (card_id),
    admin_id BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    told_ms BIGINT NOT NULL,            -- when this admin's phone last rang for it
    PRIMARY KEY (card_id, admin_id)
);

-- What is to be told still. A card that changes again while it waits is told once, as it then is.
CREATE TABLE alert_outbox (
    notice_id BIGINT NOT NULL PRIMARY KEY,
    admin_id BIGINT NOT NULL,
    card_id BIGINT NOT NULL REFERENCES alert_cards (card_id),
    kind TEXT NOT NULL CHECK (kind IN ('card', 'reminder', 'return')),
    severity_rank INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1, -- counts the changes, so that one during the telling is told too
    stored_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'parked', 'failed')),
    tries INTEGER NOT NULL DEFAULT 0,
    next_ms BIGINT NOT NULL DEFAULT 0,
    error TEXT
);
CREATE UNIQUE INDEX alert_outbox_one ON alert_outbox (admin_id, card_id, kind) WHERE state <> 'failed';
CREATE INDEX alert_outbox_waiting ON alert_outbox (admin_id, severity_rank, notice_id) WHERE state = 'waiting';
CREATE INDEX alert_outbox_stored ON alert_outbox (stored_ms) WHERE state <> 'failed';

CREATE TABLE alert_watchdog (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    seen_ms BIGINT NOT NULL
);
