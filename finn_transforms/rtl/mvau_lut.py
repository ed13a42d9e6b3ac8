"""The matrix-vector unit (MVAU) in LUTs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np
from qonnx.core.datatype import BaseDataType

from finn_transforms.ops.hardware import mvau
from finn_transforms.rtl.constant_matrix import ConstantMatrix
from finn_transforms.rtl.memory import RamStyle, ReadOnlyMemory
from finn_transforms.rtl.streams import Integers, Stream
from finn_transforms.rtl.thresholding import Search, Thresholding
from finn_transforms.rtl.unit import RtlUnit
from finn_transforms.rtl.wrapper import files_of, instance, module, one_to_one

LIBRARY: tuple[str, ...] = (
    "bfx_mvau.sv",
    "bfx_marks.sv",
    "bfx_sums_out.sv",
    "bfx_vector_feed.sv",
    "bfx_dot.sv",
    "bfx_plane.sv",
    "bfx_adder_tree.sv",
    "bfx_shift_tree.sv",
    "bfx_counter.sv",
)

BUFFER_BLOCK_DEPTH = 512
"""Words of an input vector from which on it is kept in block RAM."""

UNROLLED_LIBRARY: tuple[str, ...] = ("bfx_unrolled.sv", "bfx_adder_tree.sv", "bfx_shift_tree.sv")

WeightSource = Literal["memory", "stream", "constant"]


_SUMS_OUT = {
    **one_to_one(("in",)),
    "out_data": "sums_data",
    "out_valid": "sums_valid",
    "out_ready": "sums_ready",
}
_PASS = ("assign out0_valid = sums_valid;", "assign sums_ready = out0_ready;")


def operand_parameters(prefix: str, data_type: BaseDataType, *, xnor: bool = False) -> dict[str, int | str]:
    """Return the parameters of ``bfx_mvau`` that tell the bits of an operand and what they mean."""
    is_signs = data_type.name == "BIPOLAR"
    return {
        f"{prefix}_BITS": int(data_type.bitwidth()),
        f"{prefix}_SIGNED": int(not is_signs and data_type.min() < 0),
        f"{prefix}_BIPOLAR": int(is_signs or xnor),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class MvauLut(RtlUnit):
    """Multiplies a stream of vectors with a matrix, PE outputs of SIMD products per cycle, modulo 2^P.

    A dot product is cut into planes, one per bit of the narrower factor; adders of three operands sum each plane, then
    the planes and the accumulator.  A register stands behind every adder.  Of six ways to write it this one takes the
    fewest LUTs at every width from SIMD = 16 on, at SIMD = 4 up to 9 % more than planes with adders of two operands
    (``benchmarks/cost/multiplier_styles.py``), so that it is the only one here.  The interval is exactly NF * SF cycles
    per vector, with NF = MH / PE and SF = MW / SIMD.  ``out0_V_tready`` makes ``in0_V_tready`` within the cycle only
    where NF = SF = 1.

    Attributes:
        name: Name of the top module.
        mw: Length of an input vector, a multiple of SIMD.
        mh: Number of outputs, a multiple of PE.
        pe: Outputs per beat, channel nf * PE + pe.
        simd: Inputs per beat, consecutive ones.
        input_type: Data type of an input.
        weight_type: Data type of a weight.  Where both are ``BIPOLAR`` equal signs are counted, as in FINN.
        accumulator_type: Integer type of P bits; sums that do not fit wrap.
        weights: integers, (MW, MH) as FINN's initializer; None where they are streamed.
        weight_source: ``memory``; ``stream``: ``in1_V``, PE * SIMD weights per beat in FINN's order, for every vector
            anew; ``constant``: built into the adders, for NF = SF = 1.
        ram_style: Memory of the weights, see `ReadOnlyMemory`.
        num_vectors: Shape of a frame without its channels.
        thresholds: integers, (MH or 1, steps), ascending: outputs are how many of them a sum reaches, found by a
            `Thresholding` behind the sums; None for the sums themselves.
        output_type: Data type of an output; the accumulator's by default, a wider one extends the sums.
        bias: Added to the counts (``ActVal``).
        search: How thresholds are searched, ``binary`` or ``parallel``.
        xnor: FINN's ``binaryXnorMode``: ``BINARY`` inputs and weights that stand for -1 and 1.

    Raises:
        ValueError: a field is none of these, or weights do not fit.
    """

    name: str
    mw: int
    mh: int
    pe: int
    simd: int
    input_type: BaseDataType
    weight_type: BaseDataType
    accumulator_type: BaseDataType
    weights: Integers | None = None
    weight_source: WeightSource = "memory"
    ram_style: RamStyle = "auto"
    num_vectors: tuple[int, ...] = (1,)
    thresholds: Integers | None = None
    output_type: BaseDataType | None = None
    bias: int = 0
    search: Search = "binary"
    xnor: bool = False

    def __post_init__(self) -> None:
        for what, part, total in (("PE", self.pe, self.mh), ("SIMD", self.simd, self.mw)):
            if part < 1 or total < 1 or total % part:
                raise ValueError(f"{self.name}: expected {what} to divide {total}, found {part}; choose a divisor")
        for field in ("input_type", "weight_type", "accumulator_type"):
            self._check_type(field)
        if self.xnor and not self.input_type.name == self.weight_type.name == "BINARY":
            raise ValueError(
                f"{self.name}: expected BINARY inputs and weights for xnor, found {self.input_type.name} and "
                f"{self.weight_type.name}; leave xnor out"
            )
        self._check_weights()
        self._check_output()

    @property
    def synapse_fold(self) -> int:
        """SF, cycles for one group of PE outputs."""
        return self.mw // self.simd

    @property
    def neuron_fold(self) -> int:
        """NF, times each vector is used."""
        return self.mh // self.pe

    @property
    def accumulator_bits(self) -> int:
        """P."""
        return int(self.accumulator_type.bitwidth())

    @property
    def inputs(self) -> tuple[Stream, ...]:
        """The vectors, and the weights where they are streamed."""
        vectors = prod(self.num_vectors)
        data = Stream(name="in0_V", data_type=self.input_type, elements=self.simd, beats=self.synapse_fold * vectors)
        if self.weight_source != "stream":
            return (data,)
        beats = self.synapse_fold * self.neuron_fold * vectors
        weights = Stream(name="in1_V", data_type=self.weight_type, elements=self.pe * self.simd, beats=beats)
        return (data, weights)

    @property
    def outputs(self) -> tuple[Stream, ...]:
        """The sums, or the counts of thresholds."""
        beats = self.neuron_fold * prod(self.num_vectors)
        data_type = self.accumulator_type if self.output_type is None else self.output_type
        return (Stream(name="out0_V", data_type=data_type, elements=self.pe, beats=beats),)

    @cached_property
    def activation(self) -> Thresholding | None:
        """What counts the thresholds, None where there are none."""
        if self.thresholds is None:
            return None
        return Thresholding(
            name=f"{self.name}_thresholds",
            channels=self.mh,
            pe=self.pe,
            thresholds=self.thresholds,
            input_type=self.accumulator_type,
            output_type=self.accumulator_type if self.output_type is None else self.output_type,
            bias=self.bias,
            num_vectors=self.num_vectors,
            search=self.search,
        )

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        """Return the exact sums, whether they fit P bits or not, or their thresholds counted."""
        vectors = np.asarray(inputs[0]).reshape(-1, self.mw)
        frames = np.shape(inputs[0])[0]
        if self.weights is not None:
            sums = self._sums(vectors, self.weights)
        else:
            matrices = self.matrices_of(inputs[1])
            sums = np.concatenate(
                [self._sums(vector[np.newaxis], matrix) for vector, matrix in zip(vectors, matrices, strict=True)]
            )
        sums = sums.reshape(frames, -1, self.pe)
        return (sums,) if self.activation is None else self.activation.golden(sums)

    def words_of(self, weights: Integers) -> Integers:
        """Return a matrix (MW, MH) in the order of the weight memory and stream, (NF * SF, PE * SIMD)."""
        folds = (self.synapse_fold, self.simd, self.neuron_fold, self.pe)
        return np.asarray(weights).reshape(folds).transpose(2, 0, 3, 1).reshape(-1, self.pe * self.simd)

    def matrices_of(self, words: Integers) -> Integers:
        """Return the matrices (vectors, MW, MH) of streamed words; the inverse of `words_of`."""
        folds = (-1, self.neuron_fold, self.synapse_fold, self.pe, self.simd)
        return np.asarray(words).reshape(folds).transpose(0, 2, 4, 1, 3).reshape(-1, self.mw, self.mh)

    def sources(self) -> Mapping[str, str]:
        """Return the wrapper with the weights, and the library modules."""
        if self.weight_source == "constant":
            body, library = self._constant_body(), UNROLLED_LIBRARY
        else:
            body, library = self._body(), self._library
        behind = {} if self.activation is None else self.activation.sources()
        return {**files_of(self.name, module(self, [*body, *self._output_lines()]), library), **behind}

    def cycles(self) -> int:
        """Return a cycle per word of weights and vector."""
        return self.neuron_fold * self.synapse_fold * prod(self.num_vectors)

    def needs(self, output: int = 0) -> tuple[Integers, ...]:  # noqa: ARG002 - it has one
        """Return the beats of the whole vector for each of its outputs, and the words of weights up to there."""
        beats = np.arange(1, self.neuron_fold * prod(self.num_vectors) + 1)
        vectors = -(-beats // self.neuron_fold) * self.synapse_fold
        return (vectors, beats * self.synapse_fold)[: len(self.inputs)]

    @cached_property
    def memory(self) -> ReadOnlyMemory | None:
        """The memory of the weights, None where they are streamed."""
        if self.weights is None:
            return None
        bits = self.pe * self.simd * int(self.weight_type.bitwidth())
        stream = Stream(name="weights", data_type=self.weight_type, elements=self.pe * self.simd, beats=1)
        words = stream.pack(self.words_of(self.weights))
        return ReadOnlyMemory(name="weights", words=words, width=bits, style=self.ram_style)

    def _sums(self, vectors: Integers, weights: Integers) -> Integers:
        attributes = {
            "MW": self.mw,
            "inputDataType": self.input_type.name,
            "weightDataType": self.weight_type.name,
            "binaryXnorMode": int(self.xnor),
        }
        return mvau(attributes, vectors, self._factors(weights))

    def _factors(self, weights: Integers) -> Integers:
        """Return what the inputs are multiplied with, for a matrix (MW, MH) of weights."""
        return weights

    def _core(self) -> tuple[str, dict[str, int | str]]:
        """Return the library module that multiplies, and its parameters."""
        return "bfx_mvau", {
            **self._folding_parameters(),
            **operand_parameters("WEIGHT", self.weight_type, xnor=self.xnor),
            **operand_parameters("INPUT", self.input_type, xnor=self.xnor),
            **self._source_parameters(),
        }

    @property
    def _vector_data(self) -> str:
        """The signal with the inputs of a beat, as `_core` takes them."""
        return "in0_data"

    def _folding_parameters(self) -> dict[str, int | str]:
        return {
            "SIMD": self.simd,
            "PE": self.pe,
            "SF": self.synapse_fold,
            "NF": self.neuron_fold,
            "P": self.accumulator_bits,
        }

    def _source_parameters(self) -> dict[str, int | str]:
        return {
            "STREAMED": int(self.weights is None),
            "BUFFER_STYLE": '"block"' if self.synapse_fold >= BUFFER_BLOCK_DEPTH else '"distributed"',
        }

    @property
    def _library(self) -> tuple[str, ...]:
        """The library modules of a unit whose weights are not constants."""
        return LIBRARY

    def _body(self) -> list[str]:
        memory = self.memory
        if memory is None:
            place = max(1, (self.synapse_fold * self.neuron_fold - 1).bit_length())
            lines = [
                f"wire advance; wire [{place - 1}:0] weights_address;",
                "wire unused = &{1'b0, advance, weights_address};",
            ]
        else:
            lines = ["wire advance, unread; wire unused = &{1'b0, unread};", *memory.lines("advance")]
        pins = {
            **_SUMS_OUT,
            "in_data": self._vector_data,
            "weights": "in1_data" if memory is None else "weights",
            "weights_valid": "in1_valid" if memory is None else "1'b1",
            "weights_ready": "in1_ready" if memory is None else "unread",
            "advance": "advance",
            "address": "weights_address",
        }
        return [*lines, instance(*self._core(), pins)]

    @cached_property
    def constant_matrix(self) -> ConstantMatrix:
        """The layer as a matrix of constants for its inputs' bits read as unsigned numbers (signed: top bit inverted).

        Raises:
            ValueError: the weights are streamed.
        """
        if self.weights is None:
            raise ValueError(f"{self.name}: expected weights that are known, found a stream; give weights")
        bits = int(self.input_type.bitwidth())
        weights = self._factors(2 * self.weights - 1 if self.xnor else self.weights)
        if self._counts:
            coefficients, offsets = weights, (weights < 0).sum(axis=0)
        elif self.input_type.name == "BIPOLAR":
            coefficients, offsets = 2 * weights, -weights.sum(axis=0)
        else:
            coefficients, offsets = weights, weights.sum(axis=0) * (-1 << bits - 1 if self.input_type.min() < 0 else 0)
        return ConstantMatrix(coefficients=coefficients, offsets=offsets, width=bits, bits=self.accumulator_bits)

    @property
    def _counts(self) -> bool:
        return self.xnor or self.input_type.name == self.weight_type.name == "BIPOLAR"

    def _constant_body(self) -> list[str]:
        matrix = self.constant_matrix
        bits = int(self.input_type.bitwidth())
        is_signed = self.input_type.name != "BIPOLAR" and self.input_type.min() < 0
        inverted = sum(1 << (place * bits + bits - 1) for place in range(self.mw)) if is_signed else 0
        handshake = {key: value for key, value in _SUMS_OUT.items() if not key.endswith("_data")}
        return [
            "wire advance;",
            instance("bfx_unrolled", {"DEPTH": matrix.depth}, {"en": "advance", **handshake}),
            f"wire [{self.mw * bits - 1}:0] vector = in0_data ^ {self.mw * bits}'h{inverted:x};",
            *matrix.lines("vector", "products", "advance"),
            "assign sums_data = products;",
        ]

    def _output_lines(self) -> list[str]:
        """Return what is between the sums and the output."""
        p = self.accumulator_bits
        declared = f"wire [{self.pe * p - 1}:0] sums_data; wire sums_valid, sums_ready;"
        if self.activation is None:
            fill = self.outputs[0].element_bits - p
            sign = self.accumulator_type.min() < 0
            fields = []
            for top in range(self.pe * p - 1, -1, -p):
                upper = f"{{{fill}{{sums_data[{top}]}}}}" if sign else f"{fill}'b0"
                fields.append(f"{upper}, sums_data[{top}:{top + 1 - p}]")
            data = "sums_data" if fill == 0 else "{" + ", ".join(fields) + "}"
            return [declared, f"assign out0_data = {data};", *_PASS]
        inside, outside = self.activation.inputs[0], self.activation.outputs[0]
        return [declared, *_activation_lines(self.activation.name, inside, outside)]

    def _check_type(self, field: str) -> None:
        data_type: BaseDataType = getattr(self, field)
        bits = int(data_type.bitwidth())
        most = 48 if field == "accumulator_type" else 16
        if not data_type.is_integer() or bits > most or (field == "accumulator_type" and data_type.name == "BIPOLAR"):
            raise ValueError(
                f"{self.name}: expected {field} to be an integer type of at most {most} bits, found {data_type.name}; "
                "requantize the layer"
            )

    def _check_output(self) -> None:
        if self.thresholds is not None:
            self.activation  # noqa: B018 - checks the thresholds
            return
        if self.bias:
            raise ValueError(f"{self.name}: expected a bias of 0 without thresholds, found {self.bias}; drop it")
        wide = self.output_type
        if wide is not None and (not wide.is_integer() or int(wide.bitwidth()) < self.accumulator_bits):
            raise ValueError(
                f"{self.name}: expected an output type of at least {self.accumulator_bits} bits, found {wide.name}; "
                "leave it out, or give thresholds"
            )

    def _check_weights(self) -> None:
        if self.weight_source not in ("memory", "stream", "constant"):
            raise ValueError(
                f"{self.name}: expected weight_source 'memory', 'stream' or 'constant', found {self.weight_source!r}; "
                "choose one"
            )
        if self.weight_source == "constant" and self.synapse_fold * self.neuron_fold > 1:
            raise ValueError(
                f"{self.name}: expected PE = {self.mh} and SIMD = {self.mw} for constant weights, found {self.pe} and "
                f"{self.simd}; unroll the layer or keep the weights in memory"
            )
        if (self.weights is None) != (self.weight_source == "stream"):
            raise ValueError(
                f"{self.name}: expected weights exactly where they are not streamed, found weight_source "
                f"{self.weight_source!r} and {'no ' if self.weights is None else ''}weights; give or drop them"
            )
        if self.weights is None:
            return
        weights = np.array(self.weights, dtype=np.int64)
        if weights.shape != (self.mw, self.mh) or not np.array_equal(weights, self.weights):
            raise ValueError(
                f"{self.name}: expected integer weights of shape {(self.mw, self.mh)}, found "
                f"{np.shape(self.weights)} {np.asarray(self.weights).dtype}; pass FINN's initializer (MW, MH)"
            )
        wrong = [int(value) for value in np.unique(weights) if not self.weight_type.allowed(int(value))]
        if wrong:
            raise ValueError(
                f"{self.name}: expected weights of {self.weight_type.name}, found {wrong[:4]}; widen the type"
            )
        weights.flags.writeable = False
        object.__setattr__(self, "weights", weights)
        self.memory  # noqa: B018 - checks the style


def _activation_lines(name: str, inside: Stream, outside: Stream) -> list[str]:
    """Return an instance of a layer between ``sums`` and ``out0``."""
    fill, rest = inside.tdata_bits - inside.bits, outside.tdata_bits - outside.bits
    data = f"{{{fill}'b0, sums_data}}" if fill else "sums_data"
    lines = [f"wire [{outside.tdata_bits - 1}:0] found;", f"assign out0_data = found[{outside.bits - 1}:0];"]
    if rest:
        lines.append(f"wire unused_found = &{{1'b0, found[{outside.tdata_bits - 1}:{outside.bits}]}};")
    pins = {
        "in0_V_tdata": data,
        "in0_V_tvalid": "sums_valid",
        "in0_V_tready": "sums_ready",
        "out0_V_tdata": "found",
        "out0_V_tvalid": "out0_valid",
        "out0_V_tready": "out0_ready",
    }
    connected = ", ".join(f".{pin}({wire})" for pin, wire in pins.items())
    return [*lines, f"{name} activation (.ap_clk, .ap_rst_n, {connected});"]
