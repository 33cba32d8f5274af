"""The child that draws: a chart as JSON on standard input, a PNG on standard output. Started by `painter`."""

from __future__ import annotations

import resource
import sys

import msgspec

from doradura.charts.chart import Chart

CPU_SECONDS = 30
MEMORY_BYTES = 2 * 1024**3


def main() -> None:
    """Draw one picture; limits come first, so that no values can keep the machine busy."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    chart = msgspec.json.decode(sys.stdin.buffer.read(), type=Chart)
    from doradura.charts.drawing import draw  # noqa: PLC0415 - matplotlib is loaded under the limits

    sys.stdout.buffer.write(draw(chart))


if __name__ == "__main__":
    main()
