"""What operators have in common whose hardware is a unit of `finn_transforms.rtl`.

Imports FINN; see `finn_transforms.hw.operators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow.hwcustomop import HWCustomOp
from numpy.typing import NDArray
from onnx import GraphProto
from qonnx.core.modelwrapper import ModelWrapper

from finn_transforms.cost import Estimate, dsp_block, estimate
from finn_transforms.hw.node_unit import constants_of, layer_of_node, unit_of_node
from finn_transforms.hw.verilog import finn_top
from finn_transforms.rtl import RtlUnit
from finn_transforms.rtl.node_values import NoUnitError
from finn_transforms.sim import simulate

_LIBRARY = Path(str(files("finn_transforms.rtl").joinpath("sv")))
_NO_MEMORY = 1.0  # FINN's efficiency of a memory that is not there


class EstimatedOperator(HWCustomOp):
    """An operator whose resources are estimated by `finn_transforms.cost`."""

    def _text(self, attribute: str) -> str:
        return str(self.get_nodeattr(attribute))

    def _estimate(self, fpgapart: str) -> Estimate:
        layer, _ = layer_of_node(self.onnx_node, {})
        dsp = dsp_block(fpgapart)
        return estimate(layer, dsp=dsp, family="xc7" if dsp == "DSP48E1" else "xcup")

    def lut_estimation(self, fpgapart: str) -> int:
        """Return LUTs, where FINN says 0."""
        return self._estimate(fpgapart).lut


class UnitOperator(EstimatedOperator):
    """An operator whose hardware is a unit of `finn_transforms.rtl`, in LUTs and memories."""

    def dsp_estimation(self, fpgapart: str) -> int:  # noqa: ARG002 - FINN's signature, as below
        """Return 0."""
        return 0

    def bram_estimation(self, fpgapart: str) -> int:
        """Return block RAMs of 18 Kbit."""
        return self._estimate(fpgapart).bram18

    def uram_estimation(self, fpgapart: str) -> int:
        """Return UltraRAMs."""
        return self._estimate(fpgapart).uram

    def bram_efficiency_estimation(self, fpgapart: str) -> float:
        """Return the share of the block RAMs' bits in use."""
        found = self._estimate(fpgapart)
        return found.stored_bits / (found.bram18 * 18 * 1024) if found.bram18 else _NO_MEMORY

    def uram_efficiency_estimation(self, fpgapart: str) -> float:
        """Return the share of the UltraRAMs' bits in use."""
        found = self._estimate(fpgapart)
        return found.stored_bits / (found.uram * 288 * 1024) if found.uram else _NO_MEMORY

    def generate_hdl(self, model: ModelWrapper, fpgapart: str, clk: float) -> None:  # noqa: ARG002
        """Write the top module and the unit into ``code_gen_dir_ipgen``; library modules stay where they are.

        Raises:
            NoUnitError: the unit cannot be built with these attributes.
        """
        top, folder = self.get_verilog_top_module_name(), Path(self._text("code_gen_dir_ipgen"))
        unit = self._unit(constants_of(self.onnx_node, model), top)
        (folder / f"{top}.v").write_text(finn_top(top, unit), encoding="utf-8")
        for name, text in unit.sources().items():
            if not (_LIBRARY / name).exists():
                (folder / name).write_text(text, encoding="utf-8")
        listed = [name if not (_LIBRARY / name).exists() else f"{_LIBRARY / name}" for name in unit.sources()]
        (folder / "files.txt").write_text("\n".join([*listed, f"{top}.v"]), encoding="utf-8")
        # FINN finds them under these names from here on, whatever the node is called.
        self.set_nodeattr("gen_top_module", top)
        self.set_nodeattr("ipgen_path", str(folder))
        self.set_nodeattr("ip_path", str(folder))

    def get_rtl_file_list(self, abspath: bool = False) -> list[str]:
        """Return the sources, library modules first."""
        folder = Path(self._text("code_gen_dir_ipgen"))
        listed = [folder / name for name in (folder / "files.txt").read_text(encoding="utf-8").splitlines()]
        return [str(path) if abspath else path.name for path in listed]

    def get_verilog_paths(self) -> list[str]:
        """Return the folders of the sources."""
        return [self._text("code_gen_dir_ipgen"), str(_LIBRARY)]

    def code_generation_ipi(self) -> list[str]:
        """Return the commands with which Vivado adds the unit to a block design."""
        sources = self.get_rtl_file_list(abspath=True)
        top = self._text("gen_top_module")
        return [
            *(f"add_files -norecurse {source}" for source in sources),
            f"create_bd_cell -type module -reference {top} {self.onnx_node.name}",
        ]

    def prepare_rtlsim(self, behav: bool) -> None:  # noqa: ARG002
        """Note that there is a simulation; Verilator builds it when the node is executed."""
        self.set_nodeattr("rtlsim_so", self._text("code_gen_dir_ipgen"))

    def execute_node(self, context: dict[str, NDArray[Any]], graph: GraphProto) -> None:  # noqa: ARG002
        """Compute the node exactly; with ``exec_mode`` ``rtlsim`` in its hardware, simulated with Verilator."""
        node = self.onnx_node
        unit = self._unit({name: context[name] for name in node.input[1:]}, self.get_verilog_top_module_name())
        (stream,) = unit.inputs
        values = np.asarray(context[node.input[0]]).astype(np.int64).reshape(-1, stream.beats, stream.elements)
        if self._text("exec_mode") == "rtlsim":
            (found,) = simulate(unit, [values]).outputs
        else:
            (found,) = unit.golden(values)
        shapes: Any = self
        context[node.output[0]] = found.astype(np.float32).reshape(shapes.get_normal_output_shape())

    def _unit(self, constants: Mapping[str, NDArray[Any]], top: str) -> RtlUnit:
        unit = unit_of_node(self.onnx_node, constants, f"{top}_unit")
        found = [int(stream.bits) for stream in (*unit.inputs, *unit.outputs)]
        widths: Any = self
        expected = [int(widths.get_instream_width(0)), int(widths.get_outstream_width(0))]
        if found != expected:
            raise NoUnitError(
                f"{self.onnx_node.name}: expected streams of {expected} bits, found {found}; give the output the "
                "accumulator's data type (FINN's MinimizeAccumulatorWidth does)"
            )
        return unit
