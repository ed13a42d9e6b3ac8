"""Parameters of what takes beats from, or gives beats to, streams in turn."""

from __future__ import annotations

from collections.abc import Sequence

from qonnx.core.datatype import BaseDataType

LONGEST = 2**16 - 1


def turn_parameters(name: str, beats: Sequence[int], bits: int) -> dict[str, int | str]:
    """Return the parameters of ``bfx_concat`` and ``bfx_split``.

    Args:
        name: of the unit, for messages.
        beats: Beats of each stream per vector.
        bits: Bits of a beat.

    Raises:
        ValueError: there is one stream only, or one is longer than the counters.
    """
    if len(beats) < 2:
        raise ValueError(f"{name}: expected at least 2 streams, found {len(beats)}; leave it out")
    if not all(0 < count <= LONGEST for count in beats):
        raise ValueError(
            f"{name}: expected 1 to {LONGEST} beats per vector and stream, found {tuple(beats)}; fold less"
        )
    lengths = "{" + ", ".join(f"16'd{count}" for count in reversed(beats)) + "}"
    return {"WIDTH": bits, "COUNT": len(beats), "LONGEST": max(beats), "LENGTHS": lengths}


def require_folds(name: str, channels: Sequence[int], simd: int) -> None:
    """Refuse a width that does not divide the channels of each stream.

    Raises:
        ValueError: it does not.
    """
    if any(count % simd for count in channels):
        raise ValueError(
            f"{name}: expected SIMD that divides the channels {tuple(channels)}, found {simd}; choose a common divisor"
        )


def require_alike(name: str, data_types: Sequence[BaseDataType], common: BaseDataType) -> None:
    """Refuse types that a common one does not hold, and bits that mean -1 and 1 among numbers.

    Raises:
        ValueError: there are such.
    """
    for data_type in data_types:
        mixed = (data_type.name == "BIPOLAR") != (common.name == "BIPOLAR")
        if mixed or not (common.allowed(data_type.min()) and common.allowed(data_type.max())):
            raise ValueError(f"{name}: expected a type that holds {data_type}, found {common}; take a wider one")
