"""Frames per second and clock cycles per frame."""

from __future__ import annotations

from math import floor, inf, log10


def cycles_per_frame(fps: float, clock_ns: float) -> int:
    """Return the clock cycles that a frame may take.

    Args:
        fps: frames per second.
        clock_ns: clock period in nanoseconds, e.g. 5 for 200 MHz.

    Raises:
        ValueError: a number is not positive and finite, or the clock is too slow for even one cycle per frame.
    """
    if not (0 < fps < inf and 0 < clock_ns < inf):
        raise ValueError(f"expected a positive, finite rate and clock period, got {fps} frames/s and {clock_ns} ns")
    cycles = int(1e9 / clock_ns / fps)
    if cycles < 1:
        raise ValueError(
            f"expected at most one frame per clock cycle, got {fps} frames/s with a period of {clock_ns} ns; "
            "lower the rate or the clock period"
        )
    return cycles


def reachable_fps(cycles: int, clock_ns: float) -> float:
    """Return the frames per second of so many cycles per frame, to six digits and never rounded up.

    As a target it gives these cycles again, or up to one in 100,000 more: one that can be met.

    Args:
        cycles: clock cycles per frame, at least 1.
        clock_ns: clock period in nanoseconds.
    """
    fps = 1e9 / (clock_ns * cycles)
    digit = 10.0 ** (floor(log10(fps)) - 5)
    return floor(fps / digit) * digit
