"""A rough idea of the clock that a layer closes timing at."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Family: TypeAlias = Literal["xc7", "xcup"]

_STEP_MHZ: Final = 50
_MOST_MHZ: Final = 450
"""Beyond it clock networks decide, not logic: 464 MHz in 7-series, 667 MHz in UltraScale+ (DS181, DS925; grade -1)."""


def fmax_class(delay_ns: float) -> int:
    """Return the highest of 50, 100, ..., 450 MHz that a path of this delay allows; 0 below 50 MHz, 450 for any more.

    The delays are rough ones of the family's slowest common speed grade, without placement: the class tells a path of
    four levels of logic from one of fifteen, not 250 from 300 MHz.
    """
    return min(int(1000 / delay_ns // _STEP_MHZ) * _STEP_MHZ, _MOST_MHZ)
