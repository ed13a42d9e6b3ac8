"""Source text from the installed FINN: files of its RTL library, and what its own generators write."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from onnx import NodeProto, helper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.analysis.matching import HARDWARE_DOMAIN
from finn_transforms.finn_compat import prepare_finn
from finn_transforms.rtl.finn_library.repairs import repair

# FINN's generators want a part and a clock; the RTL of the layers taken here depends on neither.
_ANY_PART = "xczu7ev-ffvc1156-2-e"
_ANY_CLOCK_NS = 5.0

# What `verilator -Wall` says about files of FINN 1.6.1. None is an error there: registers with an initial value and a
# reset (PROCASSINIT), unsized parameters next to sized vectors (WIDTH*), a `case` that an enumeration exhausts (LATCH),
# a branch that a parameter rules out (SELRANGE), outputs of an interface that a parameter leaves out (UNDRIVEN), loops
# that a parameter makes empty (UNSIGNED), a check of the first 100 ns (STMTDLY, INITIALDLY), and style.
_ACCEPTED_WARNINGS = (
    "DECLFILENAME",
    "GENUNNAMED",
    "INITIALDLY",
    "LATCH",
    "PROCASSINIT",
    "SELRANGE",
    "UNDRIVEN",
    "STMTDLY",
    "UNSIGNED",
    "UNUSEDPARAM",
    "UNUSEDSIGNAL",
    "VARHIDDEN",
    "WIDTHEXPAND",
    "WIDTHTRUNC",
)


@cache
def library_file(path: str) -> str:
    """Return a file of FINN's RTL library, e.g. ``fmpadding/hdl/fmpadding.sv``, as Verilator takes it without warning.

    Raises:
        FinnMissingError: FINN is not installed.
    """
    prepare_finn()
    from finn.util.settings import get_settings

    return acceptable((Path(get_settings().finn_rtllib) / path).read_text(encoding="utf-8"))


def rtl_node(operator: str, name: str, inputs: int = 1, **attributes: Any) -> NodeProto:
    """Return a node of one of FINN's RTL operators, e.g. ``FMPadding_rtl``, with inputs ``in0``, ``in1``, ..."""
    return helper.make_node(
        operator,
        [f"in{index}" for index in range(inputs)],
        ["out0"],
        name=name,
        domain=f"{HARDWARE_DOMAIN}.rtl",
        backend="fpgadataflow",
        **attributes,
    )


def generated_files(node: NodeProto, model: Any = None) -> Mapping[str, str]:
    """Return the sources of a layer as its FINN operator generates them, by file name, in compilation order.

    Contents of memories follow as ``.dat`` files, which the tools have to find in the folder they run in.

    Args:
        node: FINN's RTL operator.
        model: the ``ModelWrapper`` around the node where its generator looks at tensors.

    Raises:
        FinnMissingError: FINN is not installed.
    """
    prepare_finn()
    operator: Any = getCustomOp(node)
    with tempfile.TemporaryDirectory(prefix="finn_rtl_") as folder:
        operator.set_nodeattr("code_gen_dir_ipgen", folder)
        operator.generate_hdl(model, _ANY_PART, _ANY_CLOCK_NS)
        hardware = [Path(name) for name in operator.get_rtl_file_list(abspath=True)]
        memories = sorted(Path(folder).glob("*.dat"))
        texts = {path.name: acceptable(path.read_text(encoding="utf-8")) for path in hardware}
        return {**texts, **{path.name: path.read_text(encoding="utf-8") for path in memories}}


def acceptable(text: str) -> str:
    """Return FINN's source repaired, with Verilator's warnings off for this file alone; other tools see comments."""
    off = "\n".join(f"// verilator lint_off {warning}" for warning in _ACCEPTED_WARNINGS)
    return f"// verilator lint_save\n{off}\n{repair(text).rstrip()}\n// verilator lint_restore\n"
