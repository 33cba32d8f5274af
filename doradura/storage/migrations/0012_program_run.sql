-- The program's runs: one that was not ended in order is found open at the next start.
CREATE TABLE program_run (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT,                            -- when the last one that ended in order did
    unclean_starts BIGINT NOT NULL DEFAULT 0,   -- starts that found a run open; never falls
    unclean_ms BIGINT,                          -- when the last of them was
    told_ms BIGINT                              -- when the admins were last told of one
);
