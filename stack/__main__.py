"""`python -m stack`: run, down, render, check, logs. Only this module handles the environment and signals."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

import trio

from doradura.settings import SettingsError
from stack import command
from stack.facts import Asked, StackError, settings_of
from stack.files import render_for_start, stack_directory
from stack.runner import EXIT_FAILED, EXIT_OK, EXIT_SETTINGS, Runner
from stack.verify import Verification


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.command(asked))
    except (SettingsError, StackError) as error:
        print(f"stack: {error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return EXIT_SETTINGS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stack", description="The monitoring stack around the bot.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start Prometheus, Alertmanager and Grafana, in the foreground")
    run.set_defaults(command=_run)
    run.add_argument("--native", action="store_true", help="run without containers even if an engine is available")
    run.add_argument("--with-bot", action="store_true", help="run the bot too, as a container")
    render = commands.add_parser("render", help="write the configuration into DATA_DIR/stack")
    render.set_defaults(command=_render)
    render.add_argument("--containers", action="store_true", help="use the addresses that containers see")
    for each in (run, render):
        each.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="divide every duration by N")
        each.add_argument("--targets", type=_targets, default=(), metavar="HOST:PORT,...", help="the bots to scrape")
        each.add_argument("--webhook-url", metavar="URL", help="receiver of the alerts instead of the bot")
    check = commands.add_parser("check", help="check the configuration and whatever is running")
    check.add_argument("--files", action="store_true", help="only the committed files")
    check.set_defaults(command=_check)
    commands.add_parser("down", help="stop the running stack").set_defaults(command=_down)
    logs = commands.add_parser("logs", help="show a program's log")
    logs.add_argument("name", nargs="?", metavar="NAME")
    logs.add_argument("--follow", "-f", action="store_true", help="and follow it")
    logs.set_defaults(command=_logs)
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed <= 1000:
        raise argparse.ArgumentTypeError("must be a number from 1 to 1000")
    return speed


def _targets(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _run(asked: argparse.Namespace) -> int:
    settings = settings_of(os.environ)
    wanted = Asked(asked.targets, asked.webhook_url, asked.speed, with_bot=asked.with_bot)
    runner = Runner(settings, wanted, environ=os.environ, tell=_tell)
    return _until_signal(lambda: runner.run(native=asked.native))


def _until_signal(work: Callable[[], Awaitable[int]]) -> int:
    """Run to the end, or until a signal: then the programs are ended, which a second signal does not interrupt."""
    code = EXIT_OK

    async def run() -> None:
        nonlocal code
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    async for _ in signals:
                        nursery.cancel_scope.cancel()

                nursery.start_soon(watch)
                code = await work()
                nursery.cancel_scope.cancel()

    trio.run(run, strict_exception_groups=True)
    return code


def _render(asked: argparse.Namespace) -> int:
    settings = settings_of(os.environ)
    facts = render_for_start(settings, Asked(asked.targets, asked.webhook_url, asked.speed, engine=asked.containers))
    _tell(f"Rendered into {stack_directory(settings)}: bots {', '.join(facts.targets)}.")
    return EXIT_OK


def _check(asked: argparse.Namespace) -> int:
    verification = Verification(os.environ)
    faults = 0
    for line in verification.files() if asked.files else verification.installation(settings_of(os.environ)):
        _tell(str(line))
        faults += line.mark == "FAULT"
    return EXIT_FAILED if faults else EXIT_OK


def _down(_asked: argparse.Namespace) -> int:
    return command.down(settings_of(os.environ), environ=os.environ, tell=_tell)


def _logs(asked: argparse.Namespace) -> int:
    return command.logs(settings_of(os.environ), asked.name, follow=asked.follow, environ=os.environ, tell=_tell)


def _tell(line: str) -> None:
    """Print something for whoever watches; if nobody can read it any more, the stack is still ended properly."""
    try:
        print(line, flush=True)  # noqa: T201 - the command's answer
    except (BrokenPipeError, OSError):
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the rest of this process


if __name__ == "__main__":
    sys.exit(main())
