-- The language that a user chose. `language` is the one from Telegram, which each update overwrites.
ALTER TABLE users ADD COLUMN chosen_language TEXT;
