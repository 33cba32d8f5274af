"""A picture is drawn in a child of its own: what it shows, and that nothing is left when it fails."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import trio

from doradura.charts import Chart, ChartError, ChartLine, Charts
from tests.e2e.program import session_processes

BARS = Chart(
    title="Downloads, last 24 hours; 5 $ and 6 $",
    kind="bars",
    positions=(0.5, 1.5, 2.5),
    lines=(ChartLine("delivered", (3.0, 0.0, 1.0), "good"), ChartLine("failed", (1.0, 0.0, None), "bad")),
    ticks=((0.0, "24 h"), (3.0, "now")),
    whole=True,
)
COURSE = Chart(
    title="p95",
    kind="lines",
    positions=(0.0, 60.0, 120.0),
    lines=(ChartLine("a", (1.0, None, 90.0)),),
    threshold=60.0,
)
GREEN, RED, BLUE = (0x2F, 0x9E, 0x6E), (0xD6, 0x45, 0x45), (0x35, 0x78, 0xC9)


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Matplotlib's directory: the list of fonts is made once for all tests here."""
    return tmp_path_factory.mktemp("charts") / "made when needed"


def colours(png: bytes) -> dict[tuple[int, int, int], int]:
    """The pixels of a PNG with 8-bit RGBA, counted by colour."""
    width, height = struct.unpack(">II", png[16:24])
    assert png[24:26] == b"\x08\x06"
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    raw, row, counts = zlib.decompress(data), bytearray(width * 4), dict[tuple[int, int, int], int]()
    for y in range(height):
        start = y * (width * 4 + 1)
        row = unfiltered(raw[start], raw[start + 1 : start + 1 + width * 4], row)
        for x in range(0, width * 4, 4):
            colour = (row[x], row[x + 1], row[x + 2])
            counts[colour] = counts.get(colour, 0) + 1
    return counts


def unfiltered(kind: int, line: bytes, above: bytearray) -> bytearray:
    """Undo a line's filter (the PNG specification, section 9)."""
    out = bytearray(line)
    for i in range(len(out)):
        left, up, corner = (out[i - 4], above[i], above[i - 4]) if i >= 4 else (0, above[i], 0)
        if kind == 1:
            out[i] = (out[i] + left) & 255
        elif kind == 2:
            out[i] = (out[i] + up) & 255
        elif kind == 3:
            out[i] = (out[i] + (left + up) // 2) & 255
        elif kind == 4:
            near = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            out[i] = (out[i] + near) & 255
    return out


async def test_bars(fonts: Path) -> None:
    """The areas of the colours are those of the counts: 4 delivered and 1 failed; dollar signs are no formula."""
    png = await Charts(fonts, os.environ).draw(BARS)
    assert struct.unpack(">II", png[16:24]) == (960, 540)
    found = colours(png)
    # The legend has a patch of each as well, so the ratio is a little under 4.
    assert 3.2 < found[GREEN] / found[RED] < 4.0


async def test_lines_with_a_threshold(fonts: Path) -> None:
    """A course with a gap and the level an alert fires at; a single value between gaps draws nothing and fails not."""
    found = colours(await Charts(fonts, os.environ).draw(COURSE))
    assert found[RED] > 500
    longer = Chart("p95", "lines", (0.0, 1.0), (ChartLine("a", (1.0, 2.0)), ChartLine("b", (2.0, 1.0))))
    assert colours(await Charts(fonts, os.environ).draw(longer))[BLUE] > 500


async def test_a_level_above_and_figures_below_nothing(fonts: Path) -> None:
    """A level that all figures are under is seen, and so are figures under zero."""
    under = Chart("p95", "lines", (0.0, 1.0), (ChartLine("", (0.01, 0.02)),), threshold=0.5)
    assert colours(await Charts(fonts, os.environ).draw(under))[RED] > 500
    negative = Chart("p95", "lines", (0.0, 1.0), (ChartLine("", (-2.0, -1.0)),))
    assert colours(await Charts(fonts, os.environ).draw(negative))[BLUE] > 500


async def test_long_names_leave_room_for_the_figures(fonts: Path) -> None:
    """Six series with the longest names the graph of an alert gives: the figures keep their place."""
    lines = tuple(ChartLine(f"{n}{'m' * 39}", (1.0, 2.0 + n)) for n in range(6))
    assert colours(await Charts(fonts, os.environ).draw(Chart("m" * 48, "lines", (0.0, 1.0), lines)))[BLUE] > 500


async def test_zeros_are_a_picture_too(fonts: Path) -> None:
    """Nothing but zeros is an empty picture, not an error."""
    empty = Chart("none", "bars", (0.5,), (ChartLine("delivered", (0.0,), "good"),), whole=True)
    assert (await Charts(fonts, os.environ).draw(empty)).startswith(b"\x89PNG")


def test_matplotlib_stays_out_of_the_bots_process() -> None:
    """Importing the whole program and asking whether charts can be drawn loads no matplotlib."""
    code = (
        "import sys, pathlib, doradura.app\nfrom doradura.charts import Charts\n"
        "assert Charts(pathlib.Path('x'), {}).available\n"
        "assert not [name for name in sys.modules if name.startswith(('matplotlib', 'numpy'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_without_the_extra(fonts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where matplotlib is not installed the error names the extra, and no child is started."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    charts = Charts(fonts, os.environ, command=("/nonexistent",))
    assert not charts.available
    with pytest.raises(ChartError, match="`charts` is missing"):
        await charts.draw(BARS)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ((sys.executable, "-c", "import sys; sys.exit('first\\nno fonts here')"), "ended with 1: no fonts here"),
        ((sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"), "ended with -9: "),
        ((sys.executable, "-c", "print('hello')"), "6 bytes that are no picture"),
        ((sys.executable, "-c", "print('\\x89' * 20_000_000)"), "5242880 bytes that are no picture"),
        ((sys.executable, "-c", "import sys; sys.stderr.write('x' * 10_000_000)"), "0 bytes that are no picture"),
        (("/nonexistent",), "can't be started"),
    ],
)
async def test_a_child_that_fails(fonts: Path, command: tuple[str, ...], why: str) -> None:
    """Whatever the child does, it ends in a ChartError that says why; floods are read and not kept."""
    with pytest.raises(ChartError) as raised:
        await Charts(fonts, os.environ, command=command).draw(BARS)
    assert why in str(raised.value)


STUBBORN = 'trap "" TERM; /bin/sleep 600 & echo $$ >"$0"; mv "$0" "$1"; wait'


def stubborn(tmp_path: Path) -> tuple[tuple[str, ...], Path]:
    """A child that ignores SIGTERM and has a child of its own; where it writes its pid, as soon as it runs."""
    said = tmp_path / "pid"
    return ("/bin/sh", "-c", STUBBORN, str(tmp_path / "part"), str(said)), said


async def gone(session: int) -> None:
    """Wait for the end of a killed session: the kernel takes a moment for those that are nobody's children."""
    with trio.fail_after(30):
        while session_processes(session):  # noqa: ASYNC110 - what is waited for happens in the kernel
            await trio.sleep(0.01)


async def test_a_child_that_hangs_is_killed(fonts: Path, tmp_path: Path) -> None:
    """After the time limit it is gone with all its children."""
    command, said = stubborn(tmp_path)
    with pytest.raises(ChartError, match="no picture within 3 s"):
        await Charts(fonts, os.environ, command=command, draw_seconds=3).draw(BARS)
    await gone(int(said.read_text()))


async def test_a_cancelled_drawing_leaves_nothing(fonts: Path, tmp_path: Path) -> None:
    """Cancelled in the middle, the child is gone before the call returns; the next drawing works."""
    command, said = stubborn(tmp_path)
    charts = Charts(fonts, os.environ, command=command)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(charts.draw, BARS)
        with trio.fail_after(30):
            while not said.exists():  # noqa: ASYNC110 - what is waited for happens in another process
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    await gone(int(said.read_text()))
    charts._command = (sys.executable, "-m", "doradura.charts")
    assert (await charts.draw(BARS)).startswith(b"\x89PNG")


async def test_the_child_sees_no_secret(fonts: Path, tmp_path: Path) -> None:
    """Of the environment only what a Python needs is handed on."""
    out = tmp_path / "environment"
    code = f"import os; open({str(out)!r}, 'w').write(' '.join(os.environ))"
    secret = {**os.environ, "DORADURA_TELEGRAM_TOKEN": "1:A", "HTTPS_PROXY": "http://u:p@h"}
    with pytest.raises(ChartError):
        await Charts(fonts, secret, command=(sys.executable, "-c", code)).draw(BARS)
    seen = set(out.read_text().split())
    assert {"PATH", "MPLCONFIGDIR", "MPLBACKEND"} <= seen
    assert not seen & {"DORADURA_TELEGRAM_TOKEN", "HTTPS_PROXY"}
