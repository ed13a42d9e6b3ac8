"""Turns SPARQ's windows, and the integer layers behind them, into an encoder and matrix-vector units in code."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from brevitas_ext.arith import SparqFormat
from finn_transforms.analysis.attributes import attributes_of
from finn_transforms.analysis.constants import constant
from finn_transforms.analysis.matching import NoMatchError, nodes_of, static_shape
from finn_transforms.analysis.ranges_sparq import is_sparq, read_sparq
from finn_transforms.analysis.sparq_stream import code_type, smallest_simd, words_of
from finn_transforms.ops.sparq import ENCODER, sparq_attributes
from finn_transforms.passes._base import HardwarePass, HardwarePassResult
from finn_transforms.passes._edit import (
    NCHW_TO_NHWC,
    Operator,
    Output,
    input_of,
    insert_node,
    insert_transpose,
    integer_type_of,
)
from finn_transforms.passes._streams import require_one_image
from finn_transforms.passes._units import (
    dense_weights,
    flattened_image,
    insert_sparq_mvau,
    kernel_size,
    layer_input,
    layer_weights,
    rows_in_stream_order,
)
from finn_transforms.passes._windows import insert_windows, read_window

_VIEWS: Final = frozenset({"Flatten", "Reshape", "Squeeze"})
_Encoders: TypeAlias = dict[tuple[ir.Value, SparqFormat, bool], ir.Value]
"""Encoded streams by source, format, and whether it is an image whose channels are put last."""

_ELSEWHERE: Final = "Turn SPARQ on at the input of convolutions and linear layers alone (input_quant=)"


class InferSparqMVAU(HardwarePass):
    """Lower SPARQ's windows and the ``Conv`` and ``MatMul`` that read them to layers that work on SPARQ's code.

    Before::

        a = Conv(Sparq(q, 1), W)                            # NCHW, UINT8
        b = MatMul(Reshape(Sparq(r, 1), (1, C * H * W)), V)

    After::

        s = SparqEncoder(Transpose(q))                      # NHWC, UINT16: a word per pair of channels at 4b5opt
        a = Transpose(SparqMVAU(ConvolutionInputGenerator(FMPadding(s)), W'))
        b = SparqMVAU(SparqEncoder(Transpose(r)), V')       # rows of V' in the order of the NHWC stream

    The encoder stands in front of the windows, where each activation comes once, and serves all layers that read the
    same activations in the same format, e.g. a block and its shortcut.  The word of zeros is 0, so that padding and
    windows work on words as on activations.  A unit starts with the fewest activations per cycle, SIMD = 2 in pairs,
    and PE = 1.  Grouped convolutions become dense ones as in `InferMVAU`, which comes behind.

    Refused: layers without a unit for the code, i.e. depthwise convolutions, transposed ones and whatever is no
    linear layer; pairs of an odd number of channels, or along another axis than the channels; activations that are not
    ``UINT8``; and what `InferMVAU` refuses of the layer behind.  The windows then stay where they are, on the host.
    """

    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Lower every ``Sparq`` whose input is integer, layer by layer behind it."""
        encoders: _Encoders = {}
        for node in nodes_of(model):
            if not is_sparq(node):
                continue
            try:
                windows = _Windows(node, encoders)
            except NoMatchError as why:
                self.refuse(result, node, why)
                continue
            for reader in windows.readers():
                try:
                    detail = windows.lower(reader)
                except NoMatchError as why:
                    self.refuse(result, reader, why)
                    continue
                self.note(result, reader, detail)
        if result.rewrites:
            RemoveUnusedNodesPass()(model)


class _Windows:
    """A ``Sparq`` node, and the encoder that takes its place once a layer needs it.

    Args:
        node: the node.
        encoders: those of the nodes in front, for the same windows of the same activations.

    Raises:
        NoMatchError: there can be no encoder for it.
    """

    def __init__(self, node: ir.Node, encoders: _Encoders) -> None:
        operator = read_sparq(node)
        self.node = node
        self.sparq: SparqFormat = operator.format
        self.source = input_of(node, 0)
        data_type, scale = integer_type_of(self.source), constant(node.inputs[1])
        require_one_image(self.source)
        if data_type.name != "UINT8" or scale is None or np.any(scale != 1):
            raise NoMatchError(
                f"its input is {data_type.name}, expected UINT8 with a scale of 1",
                "Quantize it to 8 bits without sign, and run ExtractIntegers first",
            )
        shape = static_shape(self.source)
        self.axis = operator.axis % len(shape)
        if self.sparq.pairs and shape[self.axis] % 2:
            raise NoMatchError(
                f"it pairs {shape[self.axis]} channels, an odd number, and hardware takes both of a pair at once",
                "Use an even number of channels, or a format without pairs (pairs=False)",
            )
        self._encoders = encoders

    def readers(self) -> list[ir.Node]:
        """Return what reads the windows, behind views of them, in order."""
        found: dict[ir.Node, None] = {}
        pending = [self.node.outputs[0]]
        while pending:
            for reader, _ in pending.pop(0).uses():
                if reader.op_type in _VIEWS and reader.domain == "":
                    pending.append(reader.outputs[0])
                else:
                    found[reader] = None
        return list(found)

    def lower(self, reader: ir.Node) -> str:
        """Lower a layer that reads the windows; return what became of it."""
        if reader.domain == "" and reader.op_type == "Conv":
            return self._lower_conv(reader)
        if reader.domain == "" and reader.op_type == "MatMul":
            return self._lower_matmul(reader)
        raise NoMatchError(f"it reads SPARQ's windows, and no unit for {reader.op_type} reads the code", _ELSEWHERE)

    def _lower_conv(self, node: ir.Node) -> str:
        source, grouped = layer_input(node), layer_weights(node)
        if source is not self.node.outputs[0]:
            raise NoMatchError("it reads SPARQ's windows in another shape", "Leave out the reshape in between")
        self._require_pairs_along(1)
        kernel = kernel_size(grouped)
        window = read_window(attributes_of(node), kernel, source)
        groups, channels = attributes_of(node).get("group", 1), static_shape(source)[1]
        if groups > 1 and groups == channels:
            raise NoMatchError(
                f"it is depthwise, {groups} groups: its products are of single channels, and SPARQ's unit takes pairs",
                "Keep 8 bits in front of depthwise convolutions",
            )
        weights, weight_type = dense_weights(grouped, groups, integer_type_of(input_of(node, 1)))
        stream = insert_windows(node, self._stream(images=True), window, depthwise=False)
        matrix = weights.transpose(2, 3, 1, 0).reshape(-1, weights.shape[0])
        rows, columns = window.output_size(*static_shape(source)[2:])
        insert_sparq_mvau(node, stream, matrix, (1, rows, columns), (self.sparq, weight_type))
        return f"{_described(self.sparq)} {matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit"

    def _lower_matmul(self, node: ir.Node) -> str:
        source, matrix = layer_input(node), layer_weights(node)
        weight_type = integer_type_of(input_of(node, 1))
        if source is self.node.outputs[0]:
            self._require_pairs_along(len(static_shape(source)) - 1)
            stream, vectors = self._stream(images=False), static_shape(source)[:-1]
        elif (image := flattened_image(source)) is self.node.outputs[0]:
            # The stream arrives in the order (H, W, C); Flatten would have made it (C, H, W).
            self._require_pairs_along(1)
            matrix, stream, vectors = rows_in_stream_order(matrix, image), self._stream(images=True), (1,)
        else:
            raise NoMatchError(
                f"it reads SPARQ's windows in shape {static_shape(source)}, no vector of a whole image",
                "Flatten the image (1, C, H, W) to (1, C * H * W) in front of the layer",
            )
        insert_sparq_mvau(node, stream, matrix, vectors, (self.sparq, weight_type))
        return f"{_described(self.sparq)} {matrix.shape[0]} x {matrix.shape[1]} matrix-vector unit"

    def _require_pairs_along(self, axis: int) -> None:
        if self.sparq.pairs and self.axis != axis:
            raise NoMatchError(
                f"SPARQ pairs neighbours along axis {self.axis}, the layer adds up along axis {axis}",
                "Let both be the channels; the quantizer's axis is that of the layer behind",
            )

    def _stream(self, *, images: bool) -> ir.Value:
        """Return the encoded stream, of images (1, C, H, W) or of what has its channels last already."""
        transposes = images and len(static_shape(self.source)) == 4
        key = self.source, self.sparq, transposes
        if key not in self._encoders:
            self._encoders[key] = self._insert_encoder(transposes=transposes)
        return self._encoders[key]

    def _insert_encoder(self, *, transposes: bool) -> ir.Value:
        stream, label = self.source, self.node.name or self.node.outputs[0].name
        if transposes:
            stream = insert_transpose(self.node, stream, NCHW_TO_NHWC, f"{stream.name}_nhwc")
        *vectors, channels = static_shape(stream)
        code = code_type(self.sparq)
        encoder = Operator.hardware(
            ENCODER,
            NumChannels=channels,
            numInputVectors=vectors,
            SIMD=smallest_simd(self.sparq),
            inputDataType="UINT8",
            outputDataType=code.name,
            **sparq_attributes(self.sparq),
        )
        shape = (*vectors, words_of(self.sparq, channels))
        return insert_node(self.node, encoder, [stream], Output(f"{ENCODER}_{label}", shape, code))


def _described(sparq: SparqFormat) -> str:
    pairs = "in pairs" if sparq.pairs else "one by one"
    return f"{sparq.bits}-bit windows at {len(sparq.shifts)} shifts, {pairs}:"
