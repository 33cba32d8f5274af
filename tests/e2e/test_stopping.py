"""Killed, stopped, stopped twice: accepted work survives, nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.e2e.program import Program, processes_in, running, until
from tests.ports import free_address
from tests.programs import found

USER = 2000


async def job_in_worker(program: Program) -> None:
    """Wait until a job's worker fetches."""

    async def started() -> bool:
        counted = await program.metrics()
        return any(v for n, v in counted.items() if n.startswith("doradura_downloads_in_progress"))

    await until(started, seconds=30)


async def nothing_left(data_dir: Path) -> None:
    """No process works in or names the data directory any more."""

    async def gone() -> bool:
        return not processes_in(data_dir)

    await until(gone, seconds=30)


async def is_draining(program: Program) -> bool:
    """Whether the program says that it finishes what is in hand."""
    report = await program.client.get(f"{program.http_url}/health")
    return report.status_code == 503 and report.json()["status"] == "draining"


async def test_killed_during_a_download(tmp_path: Path) -> None:
    """After kill -9 in the middle of a download, no worker is left, and the next start finishes the job."""
    address = free_address()
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        asked = await program.say(USER, f"/download {program.media('slow.mp4?kbps=5000')} m4a")
        await job_in_worker(program)
        await program.kill()
    await nothing_left(tmp_path / "data")
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
        files = [m for m in await program.messages(USER) if "audio" in m]
        assert len(files) == 1


async def test_killed_while_sending(tmp_path: Path) -> None:
    """After kill -9 while the file goes out, the next start puts it into the progress message and counts the doubt."""
    address = free_address()
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        await program.fault(method="sendAudio", times=0, delay_seconds=30)
        asked = await program.say(USER, f"/download {program.media('sample.mp4')} mp3")
        await program.wait(USER, lambda m: "Sending" in m.get("text", ""), after=asked["message_id"])
        await program.kill()
    await nothing_left(tmp_path / "data")
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
        counted = await program.metrics()
        assert counted["doradura_deliveries_unconfirmed_total"] == 1
        assert len([m for m in await program.messages(USER) if "audio" in m]) == 1
        assert await program.requests("editMessageMedia")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopped_during_a_download(tmp_path: Path, number: int) -> None:
    """A signal lets the job run for the drain time, and says so; the next start finishes it; exit code 0."""
    address = free_address()
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address, DORADURA_DRAIN_SECONDS="1") as program:
        asked = await program.say(USER, f"/download {program.media('slow.mp4?kbps=4000')} m4a")
        await job_in_worker(program)
        assert await program.stop(number, seconds=30) == 0
        assert program.process.stdout is not None
        said = b"".join([piece async for piece in program.process.stdout]).decode()
        assert "Finishing 1 download, at most 1 s. Ctrl-C again stops at once; it continues at the next start." in said
    await nothing_left(tmp_path / "data")
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        await program.wait(USER, lambda m: "audio" in m, after=asked["message_id"])
        counted = await program.metrics()
        assert not any(v for n, v in counted.items() if n.startswith("doradura_download_failure_total"))


async def test_drains_what_is_in_hand(tmp_path: Path) -> None:
    """While a job finishes after the signal, /health says draining with 503 and /metrics answers; the file arrives."""
    address = free_address()
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        asked = await program.say(USER, f"/download {program.media('slow.mp4?kbps=8000')} m4a")
        await job_in_worker(program)
        program.process.terminate()
        await until(partial(is_draining, program), seconds=60)
        assert await program.metrics()
        with trio.fail_after(30):
            assert await program.process.wait() == 0
    async with running(tmp_path / "data", DORADURA_SANDBOX_BIND=address) as program:
        assert any("audio" in m for m in await program.messages(USER, asked["message_id"]))
        assert not await program.requests("sendAudio"), "it was sent before the stop, not after"


async def test_a_second_signal_cuts_the_drain(tmp_path: Path) -> None:
    """A signal more than a second after the first leaves at once; one that comes twice at once does not."""
    async with running(tmp_path / "data") as program:
        await program.say(USER, f"/download {program.media('slow.mp4?kbps=200')} m4a")
        await job_in_worker(program)
        program.process.terminate()
        program.process.terminate()
        await until(partial(is_draining, program), seconds=20)
        await trio.sleep(1.3)
        assert program.process.poll() is None, "two signals at once are one wish"
        assert await program.stop(signal.SIGTERM, seconds=15) == 0
    await nothing_left(tmp_path / "data")


async def test_a_signal_to_the_group_and_to_just_alone(tmp_path: Path) -> None:
    """`just run` stops as the program does, whether the whole group or `just` alone gets the signal."""
    just = found("just")
    for whole_group in (True, False):
        process = await trio.lowlevel.open_process(
            [just, "run"],
            cwd=Path(__file__).parent.parent.parent,
            env={
                **{n: v for n, v in os.environ.items() if not n.startswith("DORADURA_")},
                "DORADURA_DATA_DIR": str(tmp_path / f"just{whole_group}"),
                "DORADURA_HTTP_BIND": "127.0.0.1:0",
                "DORADURA_SANDBOX_BIND": "127.0.0.1:0",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdout is not None
        text = b""
        with trio.fail_after(90):
            async for piece in process.stdout:
                text += piece
                if b"Numbers:" in text:
                    break
        if whole_group:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGTERM)
        with trio.fail_after(60):
            await process.wait()
        await process.stdout.aclose()
        await nothing_left(tmp_path / f"just{whole_group}")
