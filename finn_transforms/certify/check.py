"""Replays certificates of accumulators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from finn_transforms.certify.contracts import check_contracts, contract_hash
from finn_transforms.certify.counts import read_pair
from finn_transforms.certify.graph import Graph, Layer, read_graph, type_range
from finn_transforms.certify.records import BrokenError, Terms, check_record
from finn_transforms.certify.spans import Spans, combine, find_spans, operand_spans, pool_elements
from finn_transforms.certify.sparq import KIND as SPARQ_UNIT
from finn_transforms.certify.sparq import read_sparq_unit
from finn_transforms.certify.sums import Unit, read_unit
from finn_transforms.certify.wires import cut_values

_VERSION = 1
_UNITS = ("MVAU", "ShiftMVAU", "SparqMVAU", "VVAU")
_AVERAGES = ("AvgPool", "QuantAvgPool")
_OVERFLOW_KEY = "finn_transforms.overflow"
_ELEMENTWISE = ("ElementwiseAdd", "ElementwiseMul", "ElementwiseSub")


class CertificateError(ValueError):
    """The graph or its certificates cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one certificate, or of one promise that training made.

    Attributes:
        name: Node, or trained layer.
        kind: ``"accumulator"``, ``"contract"``, or ``"type"`` for a declared type that is too narrow.
        data_type: Type of the accumulator, the promised width, or the declared type.
        ok: Whether everything it says holds.
        minimal: Whether it was shown that no narrower accumulator would do.
        detail: What was shown, or what is wrong, with channel and value.
    """

    name: str
    kind: str
    data_type: str
    ok: bool
    minimal: bool
    detail: str


def certify(
    source: Path | str | onnx.ModelProto, certificates: Path | str | dict[str, Any] | None = None
) -> list[Verdict]:
    """Replay the certificates of a graph of hardware layers, and prove its accumulator contract again.

    Nothing is taken from a certificate that the graph says: the weights are hashed, the inputs' ranges walked from the
    graph's inputs on, every sum computed anew in Python integers, and each witness added up term by term.  Only where
    the graph knows no more of an input than its annotated type, the certificate's range is taken if the type holds it;
    the verdict then says so.  The types that layers declare for their inputs, weights and outputs have to hold the
    same ranges; one that does not gets a verdict of its own.

    Args:
        source: the folder that ``bfx build`` wrote, a model's file, or a model.
        certificates: their file or document; by default ``report/certificates.json`` in or beside the folder.

    Returns:
        A verdict per accumulator of the graph or certificate, and per promise of the contract; and one for each layer
        with a data type that is too narrow for what it reads or writes.

    Raises:
        CertificateError: a file is missing or cannot be read.
    """
    model, beside = _model(source)
    document = _document(certificates, beside)
    graph = read_graph(model)
    try:
        spans = find_spans(graph)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CertificateError(
            f"the graph: expected hardware layers as FINN describes them, found an error: {error!r}"
        ) from error
    layers: dict[str, list[Layer]] = {}
    for layer in graph.layers:
        if layer.hardware:
            layers.setdefault(layer.name, []).append(layer)
    verdicts = [_verdict(graph, layers, spans, record) for record in document["accumulators"]]
    known = {str(record["name"]) for record in document["accumulators"]}
    for layer in graph.layers:
        if layer.name not in known and _accumulates(layer) and _terms(graph, layer, spans) is not None:
            verdicts.append(_failed(layer.name, _declared(graph, layer), "it has no certificate"))
    verdicts += [
        Verdict(name=name, kind="type", data_type=declared, ok=False, minimal=False, detail=problem)
        for name, declared, problem in cut_values(graph, spans)
    ]
    if contract_hash(graph) != document.get("contract"):
        detail = "the graph has another accumulator contract than the one that was certified, or none"
        verdicts.append(Verdict(name="", kind="contract", data_type="", ok=False, minimal=False, detail=detail))
    for name, bits, problem in _contracts(graph, spans):
        verdicts.append(
            Verdict(
                name=name,
                kind="contract",
                data_type=f"{bits} bits",
                ok=problem is None,
                minimal=False,
                detail=problem or "the promise of training holds for these weights",
            )
        )
    return verdicts


def _contracts(graph: Graph, spans: Spans) -> list[tuple[str, int, str | None]]:
    try:
        return list(check_contracts(graph, spans))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CertificateError(
            f"the graph's accumulator contract: expected layers with their promises, found an error: {error!r}; "
            "export and build the model again"
        ) from error


def _failed(name: str, data_type: str, problem: str) -> Verdict:
    return Verdict(name=name, kind="accumulator", data_type=data_type, ok=False, minimal=False, detail=problem)


def _verdict(graph: Graph, layers: dict[str, list[Layer]], spans: Spans, record: dict[str, Any]) -> Verdict:
    name, claimed = str(record["name"]), str(record["data_type"])
    named = layers.get(name, [])
    if len(named) > 1:
        return _failed(name, claimed, f"the graph has {len(named)} layers of that name")
    kind = str(record["op_type"]).removesuffix("_hls").removesuffix("_rtl")
    if not named or named[0].kind != kind or not _accumulates(named[0]):
        return _failed(name, claimed, f"the graph has no {record['op_type']} of that name that adds up")
    layer = named[0]
    if record.get("overflow") == "wrap" != layer.metadata.get(_OVERFLOW_KEY):
        return _failed(name, claimed, "the certificate lets partial sums wrap around, the graph does not")
    actual = _declared(graph, layer)
    if actual != claimed:
        return _failed(name, claimed, f"the certificate is for {claimed}, the graph has {actual}")
    terms = _terms(graph, layer, spans)
    if terms is None:
        return _failed(name, claimed, "its inputs or weights are no integers in the graph")
    try:
        detail = check_record(terms, record)
    except BrokenError as problem:
        return _failed(name, claimed, str(problem))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        return _failed(name, claimed, f"its certificate cannot be read: {error!r}")
    return Verdict(
        name=name, kind="accumulator", data_type=claimed, ok=True, minimal=bool(record["minimal"]), detail=detail
    )


def _accumulates(layer: Layer) -> bool:
    """Tell whether a layer has an accumulator that a certificate is about."""
    if not layer.hardware:
        return False
    if layer.kind == "Pool":
        function = layer.attributes.get("Function")
        # FINN chooses the accumulator of other averaging pools that state no width.
        return function == "AccPool" or (function in _AVERAGES and layer.attributes.get("AccumBits", 0) > 0)
    if layer.kind in _ELEMENTWISE:
        return layer.inputs[0] != layer.inputs[1]
    return layer.kind in _UNITS or layer.kind == "GlobalAccPool"


def _declared(graph: Graph, layer: Layer) -> str:
    """Return the type of a layer's accumulator as the graph declares it."""
    attributes = layer.attributes
    if layer.kind in _UNITS:
        return str(attributes.get("accDataType", "INT32"))
    if layer.kind in _ELEMENTWISE:
        return str(attributes.get("out_dtype"))
    if layer.kind == "Pool" and attributes.get("Function") != "AccPool":
        ends = type_range(attributes.get("InputDataType", ""))
        bits = attributes.get("AccumBits", 0)
        signed = ends is not None and ends[0] < 0
        return "BINARY" if bits == 1 and not signed else f"{'INT' if signed else 'UINT'}{bits}"
    return graph.types.get(layer.outputs[0], "")


def _terms(graph: Graph, layer: Layer, spans: Spans) -> Terms | None:
    if layer.kind == SPARQ_UNIT:
        coded = read_sparq_unit(graph, layer)
        return None if coded is None else Terms(coded=coded)
    if layer.kind in _UNITS:
        unit = read_unit(graph, layer, spans)
        return None if unit is None else Terms(unit=unit)
    if layer.kind in _ELEMENTWISE:
        pair = read_pair(graph, layer, spans)
        if pair is not None:
            return Terms(pair=pair)
        operands = operand_spans(graph, layer, spans)
        if operands is None or len(operands) != 2:
            return None
        return Terms(operands=tuple(each.last() for each in operands), combine=lambda a, b: combine(layer.kind, a, b))
    found = pool_elements(layer, spans)
    if found is None:
        return None
    elements, count = found
    channels = int(layer.attributes["Channels" if layer.kind == "Pool" else "NumChannels"])
    low, high = (np.broadcast_to(side, channels) for side in (elements.low, elements.high))
    # A pool adds its elements with weight 1.
    unit = Unit(
        np.ones((channels, count), dtype=object),
        (1, 1),
        False,
        np.repeat(low[:, None], count, axis=1),
        np.repeat(high[:, None], count, axis=1),
        [np.ones(count, dtype=bool)],
        elements.derived,
        channels,
    )
    return Terms(unit=unit, pooled=True)


def _model(source: Path | str | onnx.ModelProto) -> tuple[onnx.ModelProto, Path | None]:
    if isinstance(source, onnx.ModelProto):
        return source, None
    path = Path(source)
    file = path / "hw_graph.onnx" if path.is_dir() else path
    if not file.is_file():
        raise CertificateError(f"{file}: expected a graph of hardware layers, found nothing there; run bfx build first")
    try:
        return onnx.load(file, format="protobuf"), file.parent
    except (DecodeError, onnx.checker.ValidationError, FileNotFoundError) as error:
        raise CertificateError(f"{file}: expected an ONNX file with its weights, found an error: {error}") from error


def _document(certificates: Path | str | dict[str, Any] | None, beside: Path | None) -> dict[str, Any]:
    if isinstance(certificates, dict):
        document = certificates
        origin = "certificates"
    else:
        if certificates is None and beside is None:
            raise CertificateError("certificates: expected a file or document for a model given as an object, got None")
        path = Path(certificates) if certificates is not None else Path(beside or ".") / "report" / "certificates.json"
        origin = str(path)
        if not path.is_file():
            raise CertificateError(f"{path}: expected certificates, found nothing there; run bfx build again")
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise CertificateError(f"{path}: expected JSON, found an error: {error}") from error
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        found = document.get("version") if isinstance(document, dict) else type(document).__name__
        raise CertificateError(f"{origin}: expected certificates of version {_VERSION}, found {found!r}")
    records = document.get("accumulators")
    needed = {"name", "op_type", "data_type", "minimal"}
    if not isinstance(records, list) or not all(isinstance(each, dict) and needed <= each.keys() for each in records):
        raise CertificateError(f"{origin}: expected a list under 'accumulators' of objects with {sorted(needed)}")
    return document
