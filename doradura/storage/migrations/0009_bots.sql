-- Telegram's ids belong to a bot: of messages, of updates, of the menus it set. Another bot's token on the same data must
-- neither edit nor answer by the first one's.

-- Whose token this database is used with. Queries read it here, so that no row of another bot's is taken for our own.
CREATE TABLE current_bot (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    bot_id BIGINT NOT NULL
);

-- Until now no bot was noted but with the files it sent: the last of them is the best guess for the other rows. Where there
-- is none, they stand as bot 0's until the first start takes them for its own.
INSERT INTO current_bot (one, bot_id) SELECT 1, bot_id FROM sent_files ORDER BY sent_ms DESC LIMIT 1;

-- The bot whose message_id, reply_to and thread_id a row has.
ALTER TABLE jobs ADD COLUMN bot_id BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET bot_id = COALESCE((SELECT bot_id FROM current_bot), 0);
ALTER TABLE offers ADD COLUMN bot_id BIGINT NOT NULL DEFAULT 0;
UPDATE offers SET bot_id = COALESCE((SELECT bot_id FROM current_bot), 0);

CREATE TABLE inbox_of_bots (
    bot_id BIGINT NOT NULL,             -- two bots' updates may have the same ids
    update_id BIGINT NOT NULL,
    arrival BIGINT NOT NULL,            -- our own number: Telegram's restart at random and give no order
    kind TEXT NOT NULL,
    chat_id BIGINT NOT NULL,            -- updates of one chat are handled in order; 0 where there is none
    raw TEXT NOT NULL,                  -- emptied once handled
    received_ms BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    PRIMARY KEY (bot_id, update_id)
);
INSERT INTO inbox_of_bots (bot_id, update_id, arrival, kind, chat_id, raw, received_ms, state, tries, error)
    SELECT COALESCE((SELECT bot_id FROM current_bot), 0), update_id, arrival, kind, chat_id, raw, received_ms, state, tries, error
    FROM inbox;
DROP TABLE inbox;
ALTER TABLE inbox_of_bots RENAME TO inbox;
CREATE INDEX inbox_waiting ON inbox (arrival) WHERE state = 'waiting';
CREATE INDEX inbox_urgent ON inbox (arrival) WHERE state = 'waiting' AND kind = 'pre_checkout_query';
CREATE INDEX inbox_received ON inbox (received_ms);
CREATE INDEX inbox_arrival ON inbox (arrival);

-- Each bot's own message of a card stays known while another one's token is in use: when the first comes back, it goes on.
CREATE TABLE alert_messages_of_bots (
    card_id BIGINT NOT NULL REFERENCES alert_cards (card_id),
    admin_id BIGINT NOT NULL,
    message_id BIGINT NOT NULL,
    told_ms BIGINT NOT NULL,            -- when this admin's phone last rang for it
    bot_id BIGINT NOT NULL DEFAULT 0,
    left_ms BIGINT,                     -- since when another bot's token is in use: what changed after that it does not show
    PRIMARY KEY (card_id, admin_id, bot_id)
);
INSERT INTO alert_messages_of_bots (card_id, admin_id, message_id, told_ms, bot_id)
    SELECT card_id, admin_id, message_id, told_ms, COALESCE((SELECT bot_id FROM current_bot), 0) FROM alert_messages;
DROP TABLE alert_messages;
ALTER TABLE alert_messages_of_bots RENAME TO alert_messages;

CREATE TABLE admin_menus_of_bots (
    bot_id BIGINT NOT NULL,
    chat_id BIGINT NOT NULL,
    PRIMARY KEY (bot_id, chat_id)
);
INSERT INTO admin_menus_of_bots (bot_id, chat_id)
    SELECT COALESCE((SELECT bot_id FROM current_bot), 0), chat_id FROM admin_menus;
DROP TABLE admin_menus;
ALTER TABLE admin_menus_of_bots RENAME TO admin_menus;
