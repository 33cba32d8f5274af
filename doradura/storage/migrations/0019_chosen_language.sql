-- What Telegram tells of a person's language comes anew with each update; what they chose themselves stands beside it.
ALTER TABLE users ADD COLUMN chosen_language TEXT;
