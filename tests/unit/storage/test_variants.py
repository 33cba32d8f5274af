"""The key of a variant in the database: rows of before it, and rows that this version would not write."""

from __future__ import annotations

from dataclasses import replace

from doradura.media.variant import Variant
from doradura.storage import Connection, files, jobs, reports
from doradura.storage.files import SentFile
from doradura.storage.reports import Span
from doradura.storage.sqlite.migrating import migrate
from tests.databases import Database, before_migration
from tests.jobs import new_job

NOW = 1_800_000_000_000
BOT = 7
ASKED = [("mp3", "320k"), ("m4a", "default"), ("mp4", "best"), ("ogg", "64k")]
"""The last is of a format that the table has no more."""


def before_variants() -> Database:
    """A database as it was before variants: a delivered job and its file for each of `ASKED`, and one that waits."""
    db = before_migration(17)
    db.execute("INSERT INTO current_bot (one, bot_id) VALUES (1, ?)", (BOT,))
    insert = (
        "INSERT INTO jobs (job_id, user_id, chat_id, reply_to, url, cache_key, site, format, quality, plan, language,"
        " state, place, created_ms, started_ms, finished_ms, size_bytes, worked, told, title, thread_id, given_up)"
        " VALUES (?, 1, 1, 5, 'u', 'k', 'other', ?, ?, 'free', 'en', ?, 9, 1, 2, ?, 100, 1, 1, 't', 3, 2)"
    )
    for job_id, (word, quality) in enumerate(ASKED, 1):
        db.execute(insert, (job_id, word, quality, "done", NOW))
        db.execute(
            "INSERT INTO sent_files (cache_key, format, quality, bot_id, file_id, kind, title, size_bytes, sent_ms)"
            " VALUES ('k', ?, ?, ?, ?, 'audio', 't', 100, ?)",
            (word, quality, BOT, f"F{job_id}", NOW),
        )
    db.execute(insert, (9, "mp4", "720p", "waiting", None))
    return db


def test_rows_of_before_have_a_key() -> None:
    """Each job and each sent file keeps all it had, its format and quality as one key; a report counts as before."""
    db = before_variants()
    migrate(db)
    found = {job_id: jobs.get(db, job_id) for job_id in (1, 2, 3, 4, 9)}
    assert {job_id: job.variant for job_id, job in found.items() if job is not None} == {
        **{job_id: Variant(*asked) for job_id, asked in enumerate(ASKED, 1)},
        9: Variant("mp4", "720p"),
    }
    waiting = found[9]
    assert waiting is not None
    assert (waiting.reply_to, waiting.state, waiting.place, waiting.title) == (5, "waiting", 9, "t")
    assert (waiting.thread_id, waiting.given_up) == (3, 2)
    for job_id, asked in enumerate(ASKED, 1):
        sent = SentFile(file_id=f"F{job_id}", kind="audio", title="t", size_bytes=100)
        assert files.get(db, BOT, "k", Variant(*asked)) == sent
    assert files.get(db, BOT, "k", Variant("mp4", "720p")) is None
    assert reports.tally(db, Span.last(1000, NOW)).formats == {"m4a": 1, "mp3": 1, "mp4": 1, "ogg": 1}


def test_what_waited_before_is_the_same_wish_and_goes_on() -> None:
    """It is found by its key when it is asked for again, is claimed, and its file is noted under its key."""
    db = before_variants()
    migrate(db)
    wanted = Variant("mp4", "720p")
    same = jobs.same_unfinished(db, 1, "k", wanted)
    assert same is not None
    assert same.job_id == 9
    assert jobs.same_unfinished(db, 1, "k", Variant("mp4", "480p")) is None
    db.execute("INSERT INTO users (user_id, first_seen_ms, last_seen_ms) VALUES (1, 0, 0)")
    assert jobs.claim(db, NOW, instance=1) == replace(same, state="running")
    file = SentFile(file_id="F9", kind="video", title="t", size_bytes=1)
    files.put(db, BOT, "k", wanted, file, NOW)
    files.put(db, BOT, "k", wanted, replace(file, file_id="G9"), NOW)
    assert files.get(db, BOT, "k", wanted) == replace(file, file_id="G9")


def test_the_two_columns_are_gone(db: Connection) -> None:
    """Nothing is stored twice, and no job can be stored without its variant."""
    for table in ("jobs", "sent_files"):
        columns = {row[1]: row[3] for row in db.execute(f"PRAGMA table_info({table})")}
        assert columns["variant"] == 1, "NOT NULL"
        assert not columns.keys() & {"format", "quality"}


def test_a_reports_formats_are_added_up_over_qualities(db: Connection) -> None:
    """Two qualities of one format are that format, twice."""
    for job_id, quality in ((1, "128k"), (2, "320k")):
        jobs.add(db, new_job(job_id=job_id, variant=Variant("mp3", quality)), NOW - 9)
        assert jobs.finish(db, job_id, "done", NOW, size_bytes=1)
    assert reports.tally(db, Span.last(1000, NOW)).formats == {"mp3": 2}
