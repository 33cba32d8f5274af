"""The job that does least: it answers. For `wall_cost`."""

from __future__ import annotations

from doradura.media.protocol import Emit, Order, SelfTest


def run_job(order: Order, emit: Emit) -> None:
    """Say that all is well."""
    emit(SelfTest(yt_dlp="", ffmpeg="", guarded=True, wall=order.wall))
