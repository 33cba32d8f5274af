"""`python -m doradura`: reads the arguments and gives them to a command of `cli/`.

Exit codes: 0 done, 1 any other error or a check that failed, 2 settings (or an address that can't be used), 3 the data
directory is in use, 4 Telegram refuses the token.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from doradura import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        command = importlib.import_module(f"doradura.cli.{asked.command}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("doradura"):
            raise
        sys.exit(
            f"doradura: {sys.executable} has no package {error.name}. `just run` creates a .venv with all "
            "that is needed (pip install rust-just); then `just doctor`, `just health` and `just sandbox` work as well."
        )
    return int(command.run(asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="doradura", description="A self-hosted media bot for Telegram.")
    parser.add_argument("--version", action="version", version=f"doradura {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start the bot, in the foreground")
    run.add_argument(
        "--sandbox", action="store_true", help="use a local Telegram with a web chat: needs no token and no network"
    )
    run.set_defaults(command="run")
    check = commands.add_parser("check", help="verify settings, database, tools and token, line by line")
    check.add_argument("--sandbox", action="store_true", help="check what `run --sandbox` needs")
    check.set_defaults(command="check")
    health = commands.add_parser("health", help="ask the running bot; exit 0 if it works, for containers")
    which = health.add_mutually_exclusive_group()
    which.add_argument("--live", dest="probe", action="store_const", const="/livez", help="ask only whether it runs")
    which.add_argument(
        "--ready", dest="probe", action="store_const", const="/readyz", help="ask whether it accepts work"
    )
    health.set_defaults(command="health")
    sandbox = commands.add_parser("sandbox", help="start the local Telegram alone, for any bot")
    sandbox.add_argument("--keep", metavar="DIR", help="keep its chats in this directory (else in memory)")
    sandbox.add_argument("--flood-limits", action="store_true", help="answer 429 to bots that send too much")
    sandbox.set_defaults(command="sandbox")
    return parser


if __name__ == "__main__":
    sys.exit(main())
