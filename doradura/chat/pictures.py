"""Pictures in a chat: drawn in a child process, sent as a photo with its text, and taken off the disk again."""

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
    """Draws and sends them."""

    def __init__(self, api: BotApi, charts: Charts, workspace: Workspace, ids: IdMaker) -> None:
        self._api = api
        self._charts = charts
        self._workspace = workspace
        self._ids = ids

    @property
    def available(self) -> bool:
        """Whether this installation draws any."""
        return self._charts.available

    async def send(
        self, handling: Handling, chart: Chart, caption: str, filename: str, *, reply_to: int | None = None
    ) -> bool:
        """Send a chart with a text (HTML) below; False when its words are to be sent instead.

        That is when none could be drawn, when Telegram took none, and when nobody knows whether it did: a picture is
        never sent twice, and an admin who asked is not left with nothing. Raises TelegramError where nothing gets
        through at all.
        """
        if not self.available:
            return False
        number = self._ids.new()
        try:
            await self._show_action(handling)
            picture = await self._charts.draw(chart)
            # Among the jobs' directories: what a kill leaves there is removed at the next start.
            path = await self._workspace.fresh(number) / filename
            await trio.Path(path).write_bytes(picture)
            photo = Media("photo", Upload(path, filename, "image/png"), caption)
            await self._api.send_media(handling.chat_id, photo, reply_to=reply_to, thread_id=handling.topic_id)
        except UnexpectedResultError as error:
            log.warning("picture sent, its message not understood", extra={"error": str(error)})
        except (*CHAT_CLOSED, TokenRefusedError):
            raise  # nothing gets through at all
        except (ChartError, OSError, TelegramError) as error:
            log.warning("no picture", extra={"error": str(error)})
            return False
        finally:
            await self._workspace.remove(number)
        return True

    async def _show_action(self, handling: Handling) -> None:
        """Say that a picture is coming. It comes also where that fails, unless nothing gets through at all."""
        try:
            await self._api.send_chat_action(handling.chat_id, "upload_photo", thread_id=handling.topic_id)
        except (*CHAT_CLOSED, TokenRefusedError):
            raise
        except TelegramError as error:
            log.debug("chat action not shown", extra={"error": str(error)})
