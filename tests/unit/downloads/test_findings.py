"""Findings: kept beside the jobs' directories for as long as they serve, and copied into the directories of jobs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from doradura.downloads.findings import KEPT_SECONDS, Findings
from doradura.downloads.workspace import SPACE_BYTES, Workspace
from doradura.media.protocol import FINDING_BYTES, FINDING_FILE, Failure, Metadata, Order
from doradura.media.reasons import Reason
from tests.doubles import HANG, made
from tests.wiring import LINK, RoomyWorkspace, World

CONTENT = b'{"url": "a", "item": {}}'


@pytest.fixture
async def workspace(world: World) -> RoomyWorkspace:
    """A workspace in a directory of its own."""
    workspace = RoomyWorkspace(world.settings, "ffmpeg", tuple)
    await workspace.open()
    return workspace


async def probed(workspace: Workspace, offer_id: int, content: bytes = CONTENT) -> Path:
    """Return the directory of a probe that left a finding."""
    directory = await workspace.fresh(offer_id)
    (directory / FINDING_FILE).write_bytes(content)
    return directory


async def test_two_jobs_get_a_copy_each(workspace: RoomyWorkspace, autojump_clock: MockClock) -> None:
    """The probe no longer has it, nobody else may read it, and what one job writes the other doesn't see."""
    findings = Findings(workspace)
    directory = await probed(workspace, 1)
    (directory / FINDING_FILE).chmod(0o666)
    await findings.keep(1, directory)
    assert not (directory / FINDING_FILE).exists()
    assert (workspace.root / "1.found").stat().st_mode & 0o777 == 0o600
    for job_id in (2, 3):
        own = await workspace.fresh(job_id)
        assert await findings.hand_over(1, own)
        assert (own / FINDING_FILE).read_bytes() == CONTENT
        assert (own / FINDING_FILE).stat().st_mode & 0o777 == 0o600
        (own / FINDING_FILE).write_bytes(b"something else")
    assert (workspace.root / "1.found").read_bytes() == CONTENT


async def test_it_is_gone_with_its_time(workspace: RoomyWorkspace, autojump_clock: MockClock) -> None:
    """After fifteen minutes it is not handed over, and the next tidying removes the file."""
    findings = Findings(workspace)
    await findings.keep(1, await probed(workspace, 1))
    await trio.sleep(KEPT_SECONDS - 1)
    await findings.tidy()
    assert list(findings.present()) == [1]
    await trio.sleep(1)
    assert list(findings.present()) == []
    assert not await findings.hand_over(1, await workspace.fresh(2))
    await findings.tidy()
    assert not (workspace.root / "1.found").exists()


@pytest.mark.parametrize("limit", [{"total_bytes": 3 * len(CONTENT)}, {"most": 3}])
async def test_the_oldest_make_room(
    workspace: RoomyWorkspace, autojump_clock: MockClock, limit: dict[str, int]
) -> None:
    """All together have a limit. A newer finding of the same offer replaces the older one."""
    findings = Findings(workspace, **limit)
    for offer_id in (1, 2, 1, 3, 4):
        await findings.keep(offer_id, await probed(workspace, offer_id))
    assert list(findings.present()) == [1, 3, 4]
    assert sorted(path.name for path in workspace.root.glob("*.found")) == ["1.found", "3.found", "4.found"]


async def test_a_probe_without_a_finding_leaves_none(workspace: RoomyWorkspace, autojump_clock: MockClock) -> None:
    """Nor does an older one of the same offer stay."""
    findings = Findings(workspace)
    await findings.keep(1, await probed(workspace, 1))
    await findings.keep(1, await workspace.fresh(1))
    assert list(findings.present()) == []
    assert not (workspace.root / "1.found").exists()


@pytest.mark.parametrize("odd", ["link", "hard link", "directory", "pipe", "large"])
async def test_what_is_no_finding_is_not_kept(
    workspace: RoomyWorkspace, autojump_clock: MockClock, tmp_path: Path, odd: str
) -> None:
    """A worker may leave anything in its place: nothing is opened through a link, nothing hangs, nothing stays."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    secret.chmod(0o644)
    directory = await workspace.fresh(1)
    path = directory / FINDING_FILE
    match odd:
        case "link":
            path.symlink_to(secret)
        case "hard link":
            path.hardlink_to(secret)
        case "directory":
            path.mkdir()
            (path / "more").write_bytes(b"")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_bytes(bytes(FINDING_BYTES + 1))
    findings = Findings(workspace)
    await findings.keep(1, directory)
    assert list(findings.present()) == []
    assert "1.found" not in {entry.name for entry in workspace.root.iterdir()}
    assert secret.read_bytes() == b"secret"
    assert secret.stat().st_mode & 0o777 == 0o644


async def test_on_a_full_disk_nothing_is_kept(workspace: RoomyWorkspace, autojump_clock: MockClock) -> None:
    """The little space that is left is for the database and for what runs."""
    findings = Findings(workspace)
    workspace.free = SPACE_BYTES - 1
    await findings.keep(1, await probed(workspace, 1))
    assert list(findings.present()) == []
    assert not (workspace.root / "1.found").exists()


async def test_what_cant_be_copied_is_not_handed_over(
    workspace: RoomyWorkspace, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job then has an empty directory, and looks at its link itself."""
    findings = Findings(workspace)
    await findings.keep(1, await probed(workspace, 1))
    own = await workspace.fresh(2)

    def full(descriptor: int, mode: str) -> None:
        os.close(descriptor)
        if "w" in mode:
            raise OSError(errno.ENOSPC, "no space left")

    real = os.fdopen
    monkeypatch.setattr(
        "os.fdopen", lambda descriptor, mode: full(descriptor, mode) if "w" in mode else real(descriptor, mode)
    )
    assert not await findings.hand_over(1, own)
    assert list(own.iterdir()) == []
    monkeypatch.undo()
    (workspace.root / "1.found").unlink()
    assert not await findings.hand_over(1, own)


def finds(order: Order) -> Metadata:
    """Do what a probe's child does: leave a finding."""
    (Path(order.directory) / FINDING_FILE).write_bytes(CONTENT)
    return Metadata(title="A song", extraction_seconds=3.0)


def given(world: World) -> list[bool]:
    """Return of each download whether its worker was given a finding."""
    return [order.finding for order in world.workers.orders if order.task == "download"]


async def test_a_card_is_looked_at_once(world: World, autojump_clock: MockClock) -> None:
    """Both buttons that are pressed start from what the probe found. A command has no probe before it.

    What was read from a finding is not counted as the time that a site takes.
    """
    world.workers.follow((finds,))
    world.workers.usual = (Metadata(title="A song", kept=True), made())
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
        (button, other, *_) = buttons(world)
        await world.say(bot, world.press(button), world.press(other))
        await world.ended(2)
        await world.say(bot, world.message(f"/download {LINK}9"))
        await world.ended(3)
    assert given(world) == [True, True, False]
    assert world.value("extraction_duration_seconds_count") == 1
    assert [path.name for path in (world.directory / "jobs").iterdir() if path.suffix != ".found"] == []


async def test_another_attempt_looks_anew(world: World, autojump_clock: MockClock) -> None:
    """What the probe found may be to blame for the failure. So does a job that is tried again by its button."""
    world.workers.follow((finds,))
    world.workers.usual = (Failure(reason=Reason.NETWORK, detail=""),)
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
        await world.say(bot, world.press(buttons(world)[0]))
        await world.ended()
        world.workers.usual = (made(),)
        await world.say(bot, world.press(f"r:{world.storage.one('SELECT job_id FROM jobs')}"))
        await world.ended(2)
    assert given(world) == [True, False, False, False]


async def test_another_start_has_no_findings(world: World, autojump_clock: MockClock) -> None:
    """A job that a kill cut off looks at its link itself, and nothing of the earlier process lies around."""
    world.workers.follow((finds,), (HANG,))
    async with world.start() as bot:
        await world.say(bot, world.message(LINK))
        await world.changes.until(lambda: world.storage.one("SELECT state FROM offers") == "known")
        await world.say(bot, world.press(buttons(world)[0]))
        await world.changes.until(lambda: world.workers.running == 1)
    (world.directory / "jobs" / "77.found").write_bytes(b"cut o")
    async with world.start():
        assert list((world.directory / "jobs").glob("*.found")) == []
        await world.ended()
    assert given(world) == [True, False]


def buttons(world: World) -> list[str]:
    """Return the callback data of the card's buttons."""
    card = next(iter(world.telegram.messages.values()))
    return [button["callback_data"] for row in card["markup"]["inline_keyboard"] for button in row]
