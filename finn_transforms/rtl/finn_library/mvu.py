"""FINN's matrix-vector unit on DSP slices as a unit, with the memory that streams its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from textwrap import dedent, indent

import numpy as np

from finn_transforms.hw_graph import MvauParams
from finn_transforms.ops.hardware import mvau
from finn_transforms.rtl.finn_library.generate import library_file
from finn_transforms.rtl.finn_library.wrapper import wrap
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.unit import RtlUnit, library_source

# FINN's numbers of the DSP slices whose primitives Yosys knows.
_VERSIONS = {"DSP48E1": 1, "DSP48E2": 2}
_PRIMITIVES = "bfx_finn_primitives.sv"
_CORE = ("mvu_pkg.sv", "mvu_vvu_axi.sv", "replay_buffer.sv", "mvu.sv", "mvu_vvu_8sx9_dsp58.sv", "add_multi.sv")


@dataclass(frozen=True, kw_only=True, eq=False)
class FinnMvu(RtlUnit):
    """Multiplies vectors with a matrix in FINN's ``mvu``, several products per DSP slice where they are narrow.

    Simulators compute what the slices do; synthesis gets the primitives.

    Attributes:
        name: Name of the top module.
        layer: The layer, without thresholds inside.
        weights: Integers (MW, MH), kept in FINN's ``memstream``; None: they come as a second stream.
        dsp_block: ``DSP48E1`` (7-series) or ``DSP48E2`` (UltraScale+).

    Raises:
        ValueError: FINN's unit cannot compute the layer, or the weights do not fit it.
    """

    name: str
    layer: MvauParams
    weights: Integers | None
    dsp_block: str = "DSP48E2"

    def __post_init__(self) -> None:
        layer = self.layer
        if self.dsp_block not in _VERSIONS:
            raise ValueError(f"{self.name}: expected a DSP block out of {list(_VERSIONS)}, found {self.dsp_block!r}")
        if refusal := _refusal(layer):
            raise ValueError(f"{self.name}: FINN's MVU expects {refusal}; use the unit MvauLut instead")
        if self.weights is None:
            return
        shape, fits = np.shape(self.weights), np.vectorize(layer.weight_type.allowed, otypes=[bool])
        if shape != (layer.mw, layer.mh) or not fits(self.weights).all():
            raise ValueError(
                f"{self.name}: expected weights {(layer.mw, layer.mh)} of {layer.weight_type}, found {shape} from "
                f"{np.min(self.weights)} to {np.max(self.weights)}; pass the initializer of the layer"
            )

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The vectors, SIMD elements per beat; the weights, PE x SIMD per beat, where they come as a stream."""
        layer, vectors = self.layer, prod(self.layer.num_vectors)
        data = Stream(name="in0_V", data_type=layer.input_type, elements=layer.simd, beats=vectors * layer.synapse_fold)
        if self.weights is not None:
            return (data,)
        lanes, words = layer.pe * layer.simd, vectors * layer.weight_words
        return (data, Stream(name="in1_V", data_type=layer.weight_type, elements=lanes, beats=words))

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The sums, PE per beat."""
        layer = self.layer
        beats = prod(layer.num_vectors) * layer.neuron_fold
        return (Stream(name="out0_V", data_type=layer.accumulator_type, elements=layer.pe, beats=beats),)

    def words(self, weights: Integers) -> Integers:
        """Return weights (MW, MH) in the order of their stream, (words, PE * SIMD), for one vector."""
        layer = self.layer
        folded = np.asarray(weights).reshape(layer.synapse_fold, layer.simd, layer.neuron_fold, layer.pe)
        return folded.transpose(2, 0, 3, 1).reshape(layer.weight_words, layer.pe * layer.simd)

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the sums, (frames, beats, PE)."""
        layer, frames = self.layer, inputs[0].shape[0]
        vectors = inputs[0].reshape(-1, 1, layer.mw)
        if self.weights is None:
            fold = (-1, layer.neuron_fold, layer.synapse_fold, layer.pe, layer.simd)
            weights = inputs[1].reshape(fold).transpose(0, 2, 4, 1, 3).reshape(-1, layer.mw, layer.mh)
        else:
            weights = self.weights
        sums = mvau({"MW": layer.mw, "numInputVectors": (1, 1)}, vectors, weights)
        return (sums.reshape(frames, -1, layer.pe),)

    def cycles(self) -> int:
        """Return a cycle per word of weights and vector."""
        return self.layer.cycles()

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        """Return the beats of each result's vector, and the weights up to it."""
        del output
        layer = self.layer
        results = np.arange(prod(layer.num_vectors) * layer.neuron_fold)
        vectors = (results // layer.neuron_fold + 1) * layer.synapse_fold
        return (vectors,) if self.weights is not None else (vectors, (results + 1) * layer.synapse_fold)

    def sources(self) -> Mapping[str, str]:
        """Return the top module, FINN's library modules, and the weights as a data file.

        Raises:
            FinnMissingError: FINN is not installed.
        """
        files = {_PRIMITIVES: library_source(_PRIMITIVES)}
        files |= {name: library_file(f"mvu/{name}") for name in _CORE}
        if self.weights is not None:
            files["memstream.sv"] = library_file("memstream/hdl/memstream.sv")
            files[f"{self.name}_weights.dat"] = self._memory(self.weights)
        return {**files, f"{self.name}.sv": self._top()}

    def _memory(self, weights: Integers) -> str:
        layer = self.layer
        stream = Stream(
            name="weights", data_type=layer.weight_type, elements=layer.pe * layer.simd, beats=layer.weight_words
        )
        return "".join(f"{word:0{-(-stream.bits // 4)}x}\n" for word in stream.pack(self.words(weights)))

    def _top(self) -> str:
        layer, (result,) = self.layer, self.outputs
        lowest = int(layer.weight_type.min())
        is_narrow = self.weights is not None and int(np.min(self.weights)) > lowest
        fill = result.tdata_bits - result.bits
        body = f"""\
            // FINN fills up with the sign of the last result.
            wire [{result.tdata_bits - 1}:0] filled;
            {f"wire unused_fill = |filled[{result.tdata_bits - 1}:{result.bits}];" if fill else ""}
            assign out0_V_tdata = {f"{{{fill}'d0, filled[{result.bits - 1}:0]}}" if fill else "filled"};
            {self._weights()}
            mvu_vvu_axi #(
                .IS_MVU(1), .VERSION({_VERSIONS[self.dsp_block]}),
                .MW({layer.mw}), .MH({layer.mh}), .PE({layer.pe}), .SIMD({layer.simd}),
                .ACTIVATION_WIDTH({layer.input_type.bitwidth()}), .WEIGHT_WIDTH({layer.weight_type.bitwidth()}),
                .ACCU_WIDTH({layer.accumulator_bits}), .NARROW_WEIGHTS({int(is_narrow)}),
                .SIGNED_ACTIVATIONS({int(layer.input_type.signed())})
            ) core (
                .ap_clk, .ap_clk2x(1'b0), .ap_rst_n,
                .s_axis_weights_tdata(weights), .s_axis_weights_tvalid(weights_valid),
                .s_axis_weights_tready(weights_ready),
                .s_axis_input_tdata(in0_V_tdata), .s_axis_input_tvalid(in0_V_tvalid),
                .s_axis_input_tready(in0_V_tready),
                .m_axis_output_tdata(filled), .m_axis_output_tvalid(out0_V_tvalid),
                .m_axis_output_tready(out0_V_tready)
            );
        """
        return wrap(self, indent(dedent(body), "    "))

    def _weights(self) -> str:
        layer = self.layer
        width = layer.pe * layer.simd * int(layer.weight_type.bitwidth())
        filled = -(-width // 8) * 8
        declared = f"wire [{filled - 1}:0] weights; wire weights_valid, weights_ready;"
        if self.weights is None:
            return (
                f"{declared} assign weights = in1_V_tdata; assign weights_valid = in1_V_tvalid; "
                "assign in1_V_tready = weights_ready;"
            )
        fill = f"assign weights[{filled - 1}:{width}] = '0; " if filled > width else ""
        # Weights do not change, there is one set of them, and nobody reads them back.
        return (
            f"{declared} {fill}wire unused_rack, unused_srdy; wire [{width - 1}:0] unused_q0; "
            f"memstream #(.SETS(1), .DEPTH({layer.weight_words}), .WIDTH({width}), "
            f'.INIT_FILE("./{self.name}_weights.dat"), .RAM_STYLE("{layer.ram_style}")) memory ('
            ".clk(ap_clk), .rst(!ap_rst_n), .config_ce(1'b0), .config_we(1'b0), .config_address('0), .config_d0('0), "
            ".config_rack(unused_rack), .config_q0(unused_q0), .sidx('0), .svld(1'b0), .srdy(unused_srdy), "
            f".ordy(weights_ready), .ovld(weights_valid), .odat(weights[{width - 1}:0]));"
        )


def _refusal(layer: MvauParams) -> str | None:
    """Return what FINN's unit expects and does not find."""
    inputs, weights = layer.input_type, layer.weight_type
    least = int(weights.bitwidth()) + int(inputs.bitwidth()) - int(inputs.signed())
    if layer.threshold_steps or layer.tiling != 1:
        return "a layer without thresholds inside and with TH = 1, found another"
    if min(int(inputs.bitwidth()), int(weights.bitwidth())) < 2 or not weights.signed():
        return f"inputs of at least 2 bits and signed weights of at least 2 bits, found {inputs} and {weights}"
    if layer.synapse_fold == 1:
        # FINN+ 1.6.1: its output queue overflows once the reader stops while a result comes in each cycle.
        return f"more than one beat per vector, found SIMD = MW = {layer.mw}, with which it loses results"
    if layer.accumulator_bits < least or not layer.accumulator_type.signed():
        return f"a signed accumulator of at least {least} bits, found {layer.accumulator_type}"
    return None
