"""What every command does at the process's edge.

Read settings, print faults, turn the program's end into an exit code.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator

from doradura.settings import Settings, SettingsError, read_settings
from doradura.startup import EXIT_FAILED, EXIT_OK, EXIT_SETTINGS, StartupError

EXIT_INTERRUPTED = 130

log = logging.getLogger("doradura")


def settings_or_complaint(*, sandbox: bool = False, token_required: bool = True) -> Settings | None:
    """Return the settings from the environment, or None after printing what is wrong with them."""
    try:
        return read_settings(os.environ, sandbox=sandbox, token_required=token_required)
    except SettingsError as error:
        complain(str(error))
        return None


def complain(text: str) -> int:
    """Print a sentence on standard error, where there is no log yet; return EXIT_SETTINGS."""
    print(f"doradura: {text}", file=sys.stderr)  # noqa: T201 - before there is a log
    return EXIT_SETTINGS


def exit_code(run: Callable[[], None]) -> int:
    """Run the program to its end; return its exit code. An expected failure is logged as one sentence.

    The outermost barrier: any other error is logged with its traceback and is EXIT_FAILED.
    """
    try:
        run()
    except BaseException as error:
        expected = next((leaf for leaf in leaves(error) if isinstance(leaf, StartupError)), None)
        if expected is not None:
            log.critical("%s%s", expected, f". {expected.advice}." if expected.advice else "")
            return expected.exit_code
        if isinstance(error, KeyboardInterrupt):
            return EXIT_INTERRUPTED
        log.critical("stopped by an unexpected error", exc_info=error)
        return EXIT_FAILED
    return EXIT_OK


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group and its groups; the error itself if it is not a group."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error
