"""What each version of Landlock is asked for."""

from __future__ import annotations

import pytest

from doradura.wall import landlock


@pytest.mark.parametrize(
    ("abi", "files", "ports", "scopes"),
    [
        (1, 0x1FFF, 0, 0),
        (2, 0x3FFF, 0, 0),
        (3, 0x7FFF, 0, 0),
        (4, 0x7FFF, 3, 0),
        (5, 0xFFFF, 3, 0),
        (6, 0xFFFF, 3, 3),
        (7, 0xFFFF, 3, 3),
        (9, 0xFFFF, 3, 3),
    ],
)
def test_a_version_takes_away_all_it_knows(abi: int, files: int, ports: int, scopes: int) -> None:
    """As include/uapi/linux/landlock.h has them; of versions newer than ours nothing is assumed."""
    assert landlock.handled(abi) == (files, ports, scopes)


def test_a_job_s_own_directory() -> None:
    """It is read and written; nothing in it is run, and no link, fifo, socket or device is made."""
    makes = landlock.MAKE_SYM | landlock.MAKE_FIFO | landlock.MAKE_SOCK | landlock.MAKE_CHAR | landlock.MAKE_BLOCK
    assert not landlock.OWN_DIRECTORY & (makes | landlock.EXECUTE | landlock.IOCTL_DEV)
    assert landlock.OWN_DIRECTORY | makes | landlock.EXECUTE | landlock.IOCTL_DEV == landlock.handled(7).files
