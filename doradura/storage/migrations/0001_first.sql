-- Times are milliseconds since 1970. Ids are made by the program.

-- Every update of Telegram's, as it came, until it is handled; its id for 48 hours after that, so that a repeat is known.
CREATE TABLE inbox (
    update_id BIGINT NOT NULL PRIMARY KEY,
    arrival BIGINT NOT NULL,            -- our own number: Telegram's restart at random and give no order
    kind TEXT NOT NULL,
    chat_id BIGINT NOT NULL,            -- updates of one chat are handled in order; 0 where there is none
    raw TEXT NOT NULL,                  -- emptied once handled
    received_ms BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT
);
CREATE INDEX inbox_waiting ON inbox (arrival) WHERE state = 'waiting';
CREATE INDEX inbox_urgent ON inbox (arrival) WHERE state = 'waiting' AND kind = 'pre_checkout_query';
CREATE INDEX inbox_received ON inbox (received_ms);

CREATE TABLE users (
    user_id BIGINT NOT NULL PRIMARY KEY,
    first_name TEXT NOT NULL DEFAULT '',
    username TEXT,
    language TEXT,
    first_seen_ms BIGINT NOT NULL,
    last_seen_ms BIGINT NOT NULL,
    blocked_ms BIGINT,                  -- since when the bot is blocked by them
    queue_ms BIGINT NOT NULL DEFAULT 0  -- virtual time up to which their jobs are queued
);
CREATE INDEX users_last_seen ON users (last_seen_ms);

CREATE TABLE activity (
    day INTEGER NOT NULL,               -- days since 1970, UTC
    user_id BIGINT NOT NULL,
    actions INTEGER NOT NULL,
    PRIMARY KEY (day, user_id)
);

-- A link that was sent alone: the message with the keyboard of formats.
CREATE TABLE offers (
    offer_id BIGINT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    chat_id BIGINT NOT NULL,
    reply_to BIGINT,
    url TEXT NOT NULL,
    message_id BIGINT,
    state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'shown', 'known', 'failed')),
    created_ms BIGINT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    worker_pid BIGINT,
    worker_started BIGINT
);
CREATE INDEX offers_open ON offers (offer_id) WHERE state IN ('new', 'shown');

CREATE TABLE jobs (
    job_id BIGINT NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    chat_id BIGINT NOT NULL,
    reply_to BIGINT,
    url TEXT NOT NULL,
    cache_key TEXT NOT NULL,
    site TEXT NOT NULL,
    format TEXT NOT NULL,
    quality TEXT NOT NULL,
    plan TEXT NOT NULL,
    language TEXT NOT NULL,             -- of the person who asked, for what they are told
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'sending', 'done', 'failed', 'cancelled')),
    place BIGINT NOT NULL,              -- the queue's order
    tries INTEGER NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    finished_ms BIGINT,
    told INTEGER NOT NULL DEFAULT 0,    -- 1: the end was told to the user (or needs no telling)
    message_id BIGINT,                  -- the progress message
    maybe_sent INTEGER NOT NULL DEFAULT 0,  -- 1: a file may have gone out, its answer never came
    reason TEXT,
    title TEXT,
    product TEXT,                       -- the worker's result as JSON, while the file waits to be sent
    size_bytes BIGINT,
    worker_pid BIGINT,
    worker_started BIGINT               -- the kernel's start time of that process, in clock ticks
);
CREATE INDEX jobs_waiting ON jobs (place) WHERE state = 'waiting';
CREATE INDEX jobs_unfinished ON jobs (user_id, place) WHERE state IN ('waiting', 'running', 'sending');
CREATE INDEX jobs_untold ON jobs (job_id) WHERE told = 0 AND state IN ('done', 'failed', 'cancelled');
CREATE INDEX jobs_finished ON jobs (finished_ms);

-- What was sent once is sent again by Telegram's file_id.
CREATE TABLE sent_files (
    cache_key TEXT NOT NULL,
    format TEXT NOT NULL,
    quality TEXT NOT NULL,
    bot_id BIGINT NOT NULL,             -- a file_id belongs to one bot
    file_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sent_ms BIGINT NOT NULL,
    PRIMARY KEY (cache_key, format, quality, bot_id)
);

CREATE TABLE site_breakers (
    site TEXT NOT NULL PRIMARY KEY,
    until_ms BIGINT NOT NULL,
    failures INTEGER NOT NULL
);

CREATE TABLE heartbeat (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    beat_ms BIGINT NOT NULL
);
