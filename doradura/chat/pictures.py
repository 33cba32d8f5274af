"""Pictures in a chat: drawn in a child process, sent as a photo with its text, and taken off the disk again."""

from __future__ import annotations

import logging

import trio

from doradura.charts import Chart, ChartError
from doradura.chat.turn import Turn
from doradura.telegram.errors import CHAT_CLOSED, TelegramError, TokenRefusedError, UnexpectedResultError
from doradura.telegram.media import Media, Upload

log = logging.getLogger(__name__)


async def send_picture(turn: Turn, chart: Chart, caption: str, filename: str, *, reply_to: int | None = None) -> bool:
    """Send a chart with a text (HTML) below; False when its words are to be sent instead.

    That is when none could be drawn, when Telegram took none, and when nobody knows whether it did: a picture is never
    sent twice, and an admin who asked is not left with nothing. Raises TelegramError where nothing gets through at all.
    """
    parts = turn.parts
    if not parts.admin.charts.available:
        return False
    number = parts.ids.new()
    try:
        await _show_action(turn)
        picture = await parts.admin.charts.draw(chart)
        # Among the jobs' directories: what a kill leaves there is removed at the next start.
        path = await parts.workspace.fresh(number) / filename
        await trio.Path(path).write_bytes(picture)
        photo = Media("photo", Upload(path, filename, "image/png"), caption)
        await parts.api.send_media(turn.chat_id, photo, reply_to=reply_to, thread_id=turn.topic_id)
    except UnexpectedResultError as error:
        log.warning("picture sent, its message not understood", extra={"error": str(error)})
    except (*CHAT_CLOSED, TokenRefusedError):
        raise  # nothing gets through at all
    except (ChartError, OSError, TelegramError) as error:
        log.warning("no picture", extra={"error": str(error)})
        return False
    finally:
        await parts.workspace.remove(number)
    return True


async def _show_action(turn: Turn) -> None:
    """Say that a picture is coming. Where that fails the picture comes all the same, unless nothing gets through."""
    try:
        await turn.parts.api.send_chat_action(turn.chat_id, "upload_photo", thread_id=turn.topic_id)
    except (*CHAT_CLOSED, TokenRefusedError):
        raise
    except TelegramError as error:
        log.debug("chat action not shown", extra={"error": str(error)})
