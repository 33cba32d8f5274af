"""Sends charts to a chat: drawn in a child process, sent as a photo with a caption, then deleted from the disk."""

from __future__ import annotations

import logging

import trio

from doradura.charts import Chart, ChartError, Charts
from doradura.chat.handling import Handling
from doradura.downloads.workspace import Workspace
from doradura.storage.ids import IdMaker
from doradura.telegram.client import BotApi
from doradura.telegram.errors import CHAT_CLOSED, TelegramError, TokenRefusedError, UnexpectedResultError
from doradura.telegram.media import Media, Upload

log = logging.getLogger(__name__)


class Pictures:
    """Draws charts and sends them."""

    def __init__(self, api: BotApi, charts: Charts, workspace: Workspace, ids: IdMaker) -> None:
        self._api = api
        self._charts = charts
        self._workspace = workspace
        self._ids = ids

    @property
    def available(self) -> bool:
        """Return whether this installation can draw charts."""
        return self._charts.available

    async def send(
        self, handling: Handling, chart: Chart, caption: str, filename: str, *, reply_to: int | None = None
    ) -> bool:
        """Send a chart with a caption (HTML). Return False if the caller should send a text instead.

        That is if the chart can't be drawn, if Telegram refuses it, or if it isn't known whether it was sent: a chart
        is never sent twice, and the admin gets an answer in any case. Raises one of CHAT_CLOSED or TokenRefusedError if
        the chat or the bot can't send anything at all.
        """
        if not self.available:
            return False
        number = self._ids.new()
        try:
            await self._show_action(handling)
            picture = await self._charts.draw(chart)
            # In the workspace, so that a file that a kill left behind is removed at the next start.
            path = await self._workspace.fresh(number) / filename
            await trio.Path(path).write_bytes(picture)
            photo = Media("photo", Upload(path, filename, "image/png"), caption)
            await self._api.send_media(handling.chat_id, photo, reply_to=reply_to, thread_id=handling.topic_id)
        except UnexpectedResultError as error:
            log.warning("picture sent, its message not understood", extra={"error": str(error)})
        except (*CHAT_CLOSED, TokenRefusedError):
            raise  # a text could not be sent either
        except (ChartError, OSError, TelegramError) as error:
            log.warning("no picture", extra={"error": str(error)})
            return False
        finally:
            await self._workspace.remove(number)
        return True

    async def _show_action(self, handling: Handling) -> None:
        """Show "sending a photo" in the chat. If that fails, the chart is sent all the same, except as `send` says."""
        try:
            await self._api.send_chat_action(handling.chat_id, "upload_photo", thread_id=handling.topic_id)
        except (*CHAT_CLOSED, TokenRefusedError):
            raise
        except TelegramError as error:
            log.debug("chat action not shown", extra={"error": str(error)})
