"""Ids that two threads make at once: the event loop's and the storage's writer."""

from __future__ import annotations

import threading
import time

from doradura.storage.ids import IdMaker

EACH = 500


class Yielding(int):
    """A number that lets the other thread run while it is added to."""

    def __add__(self, other: int) -> Yielding:
        made = Yielding(int(self) + other)
        time.sleep(0)
        return made


def test_no_id_is_made_twice() -> None:
    """Each thread's ids grow, and none is another's."""
    maker = IdMaker(lambda: 0)
    maker.go_on_after(Yielding(1 << 22))  # above all that this clock's time makes: each id follows from the one before
    made: list[list[int]] = [[], []]

    def make(mine: list[int]) -> None:
        mine.extend(maker.new() for _ in range(EACH))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({*made[0], *made[1]}) == 2 * EACH
