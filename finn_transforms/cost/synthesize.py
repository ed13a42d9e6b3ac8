"""Synthesis of a unit: the truth that estimates are fitted to and compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from finn_transforms.cost.synthesis import Synthesis, Tool
from finn_transforms.cost.utilization import Utilization
from finn_transforms.cost.vivado import Vivado
from finn_transforms.cost.yosys import Yosys
from finn_transforms.rtl import RtlUnit

ToolName: TypeAlias = Literal["yosys", "vivado"]


def synthesize(
    params: RtlUnit,
    family: str = "xcup",
    *,
    dsp: bool = False,
    tool: ToolName = "yosys",
    cache: Path | None = None,
) -> Utilization:
    """Synthesise a unit out of context and count what it takes.

    Args:
        params: The unit.
        family: ``xc7`` (7-series) or ``xcup`` (UltraScale+); for Vivado also a part.
        dsp: Whether products may go into DSP blocks.
        tool: ``yosys`` (from PyPI), or ``vivado`` where there is one.
        cache: Folder of stored results; ``$BFX_CACHE`` or the user's cache folder by default.

    Returns:
        What it takes; see `Utilization`, and `finn_transforms.cost.lut_sites.count_sites` for how LUTs are counted.

    Raises:
        ValueError: an unknown family or tool.
        ModuleNotFoundError: there is no Yosys.
        FileNotFoundError: there is no Vivado.
        SynthesisError: the tool refuses the unit.
    """
    return Synthesis(params, synthesis_tool(family, dsp=dsp, tool=tool), cache).result()


def synthesis_tool(family: str, *, dsp: bool = False, tool: ToolName = "yosys") -> Tool:
    """Return the tool of that name; arguments and errors as `synthesize`."""
    if tool == "yosys":
        return Yosys(family=family, dsp=dsp)
    if tool == "vivado":
        return Vivado(family=family, dsp=dsp)
    raise ValueError(f"expected the tool yosys or vivado, found {tool!r}; pass one of them")
