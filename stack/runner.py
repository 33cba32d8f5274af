"""The stack's runner: one per data directory. It uses containers if an engine answers, else runs programs natively.

Owns the lock DATA_DIR/stack/lock while it runs, and with it the record of what was started. It leaves nothing running
when it is cancelled or fails; first it ends whatever a killed runner before it left.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx
import trio

from doradura.data_directory import DataDirectoryLockedError, hold_data_directory
from doradura.settings import Settings
from stack import engine, running
from stack.addresses import AddressTakenError, check_free, with_ports
from stack.engine import Engine
from stack.facts import Asked, StackError
from stack.files import closed_umask, give_to, render_for_start, stack_directory
from stack.programs import Place, Program, found, how_to_have, places
from stack.record import Record, end

EXIT_OK, EXIT_FAILED, EXIT_SETTINGS, EXIT_RUNNING = 0, 1, 2, 3
PULL_SECONDS = 900.0
"""How long containers may take to answer: images are fetched first."""
DOWN_SECONDS = 90.0
BOT_SECONDS = 3.0
"""How long the bot may take to show that it is alive."""

Tell = Callable[[str], object]


class Runner:
    """Runs the stack of one data directory."""

    def __init__(self, settings: Settings, asked: Asked, *, environ: Mapping[str, str], tell: Tell) -> None:
        self._settings = settings
        self._asked = asked
        self._environ = environ
        self._tell = tell
        self._directory = stack_directory(settings)
        self._record = Record(self._directory)

    async def run(self, *, native: bool) -> int:
        """Run until cancelled or until a program ends. Return the exit code.

        Raises StackError and AddressTakenError.
        """
        code = EXIT_OK
        try:
            self._settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closed_umask(), hold_data_directory(self._directory):
                await self._hold(native=native)
        except* DataDirectoryLockedError:
            self._tell("The stack is already running. `just stack-down` stops it, `just stack-check` checks it.")
            code = EXIT_RUNNING
        except* AddressTakenError as group:
            code = self._said(group, EXIT_SETTINGS)
        except* (StackError, OSError) as group:
            code = self._said(group, EXIT_FAILED)
        return code

    def _said(self, group: BaseExceptionGroup[Exception], code: int) -> int:
        for error in group.exceptions:
            if isinstance(error, BaseExceptionGroup):
                self._said(error, code)
            else:
                self._tell(f"stack: {error}")
        return code

    async def _hold(self, *, native: bool) -> None:
        await self._end_what_was_left()
        answering = None if native else await trio.to_thread.run_sync(engine.find, abandon_on_cancel=True)
        try:
            if answering is None:
                await self._natively()
            else:
                await self._in_containers(answering)
        finally:
            self._record.clear()

    async def _end_what_was_left(self) -> None:
        left = self._record.children()
        if left:
            self._tell(f"Ending what an earlier start left running: {', '.join(child.name for child in left)}.")
            await trio.to_thread.run_sync(end, left)
        if self._record.read().mode == "containers":
            await trio.to_thread.run_sync(engine.down, self._settings, self._environ)
        self._record.clear()

    async def _natively(self) -> None:
        if self._asked.with_bot:
            raise StackError(
                "--with-bot needs a container engine, but none is available; start the bot with `just run`"
            )
        settings = with_ports(self._settings)
        programs, missing = found(settings, self._directory, speed=self._asked.speed)
        for line in how_to_have(missing):
            self._tell(line)
        if not programs:
            raise StackError("none of the stack's programs is installed")
        known = places(settings)
        wanted = [known[program.name] for program in programs]
        for place in wanted:
            check_free(place)
        facts = render_for_start(settings, self._asked)
        if not facts.told_chat_ids:
            self._tell("DORADURA_ADMIN_IDS is not set: Alertmanager can't tell anybody when the bot is down.")
        self._record.begin(mode="native", urls={place.name: place.url for place in wanted})
        # They must not see what belongs to the bot, tokens above all.
        clean = {name: value for name, value in self._environ.items() if not name.startswith("DORADURA_")}
        await self._keep(programs, wanted, clean, running.READY_SECONDS)

    async def _in_containers(self, answering: Engine) -> None:
        asked = dataclasses.replace(self._asked, engine=True)
        render_for_start(self._settings, asked)
        give_to(self._directory, answering.user)
        # --build: otherwise an existing image would be used, however old the program in it.
        build = ["--build"] if asked.with_bot else []
        command = answering.compose("up", "--remove-orphans", *build, with_bot=asked.with_bot)
        program = Program("containers", tuple(command), term_seconds=DOWN_SECONDS)
        wanted = list(places(self._settings).values())
        self._record.begin(mode="containers", urls={place.name: place.url for place in wanted})
        self._tell(f"Running as containers, with {Path(answering.tool).name}.")
        try:
            environment = answering.environment(self._settings, self._environ)
            await self._keep([program], wanted, environment, PULL_SECONDS)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(engine.down, self._settings, self._environ)

    async def _keep(
        self, programs: Sequence[Program], wanted: Sequence[Place], environment: Mapping[str, str], seconds: float
    ) -> None:
        async with trio.open_nursery() as nursery:
            start = partial(
                running.run,
                programs,
                wanted,
                logs=self._directory / "logs",
                record=self._record,
                environment=environment,
                show=self._tell,
                ready_seconds=seconds,
            )
            await nursery.start(start)
            self._tell("")
            for place in wanted:
                self._tell(f"  {place.name.capitalize():12}  {place.url}")
            self._tell("  The stack is ready. Stop it with Ctrl-C or `just stack-down`.")
            if not self._asked.targets and not self._asked.with_bot:
                missing = await without_bot(f"http://{self._settings.http_bind.reachable}")
                if missing is not None:
                    self._tell(missing)
            self._tell("")


async def without_bot(url: str, transport: httpx.AsyncBaseTransport | None = None) -> str | None:
    """Return what to print if no bot answers at the address that Prometheus scrapes; None if one does."""
    async with httpx.AsyncClient(trust_env=False, timeout=BOT_SECONDS, transport=transport) as client:
        try:
            if (await client.get(f"{url}/livez")).is_success:
                return None
        except httpx.HTTPError:
            pass
    return f"  No bot answers at {url}, so there is no data yet: `just run` starts it."
