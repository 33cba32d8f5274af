"""Jobs and offers for unit tests: by default, of a song that somebody requested in a private chat."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from doradura.media.variant import Variant
from doradura.storage.jobs import Job, NewJob
from doradura.storage.offers import Offer

_NEW = NewJob(
    job_id=1,
    user_id=1,
    chat_id=1,
    reply_to=None,
    url="https://a.example/1",
    cache_key="https://a.example/1",
    site="other",
    variant=Variant("mp3", "320k"),
    plan="free",
    language="en",
)
_RUNNING = Job(
    **{each.name: getattr(_NEW, each.name) for each in fields(_NEW)},
    state="running",
    place=0,
    tries=0,
    created_ms=0,
    started_ms=None,
    message_id=None,
    maybe_sent=0,
    reason=None,
    title=None,
    product=None,
)
_OFFER = Offer(
    offer_id=1,
    user_id=1,
    chat_id=1,
    reply_to=None,
    url="https://a.example/1",
    message_id=None,
    state="new",
    tries=0,
)


def new_job(**named: Any) -> NewJob:
    """Return a job to queue, of user 1 in their private chat unless given otherwise."""
    return replace(_NEW, **named)


def running_job(**named: Any) -> Job:
    """Return a running job."""
    return replace(_RUNNING, **named)


def new_offer(**named: Any) -> Offer:
    """Return a link that was sent alone, by user 1 in their private chat unless given otherwise."""
    return replace(_OFFER, **named)
