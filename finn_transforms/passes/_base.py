"""What every pass shares: it runs on onnx_ir models and, as a QONNX ``Transformation``, on a ``ModelWrapper``."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass, field

import onnx_ir as ir
from onnx_ir.passes import InPlacePass, PassResult
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from finn_transforms.analysis.matching import NoMatchError, Refusal, Rewrite

_LOGGER = logging.getLogger("finn_transforms.passes")


@dataclass
class HardwarePassResult(PassResult):
    """An onnx_ir ``PassResult`` that also tells what was rewritten and what was refused, and why."""

    rewrites: list[Rewrite] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class HardwarePass(InPlacePass, Transformation):
    """A rewrite of the graph, usable both ways.

    ``SomePass()(model)`` on an ``onnx_ir.Model`` works in place and returns a `HardwarePassResult`;
    ``wrapper.transform(SomePass())`` on a QONNX ``ModelWrapper`` does the same and logs each refusal as a warning.
    """

    def call(self, model: ir.Model) -> HardwarePassResult:
        """Rewrite what matches and report what does not."""
        result = HardwarePassResult(model, modified=False)
        self.rewrite(model, result)
        result.modified = bool(result.rewrites)
        return result

    @abstractmethod
    def rewrite(self, model: ir.Model, result: HardwarePassResult) -> None:
        """Change ``model`` in place and note each change and each refusal in ``result``."""

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Apply the pass to a QONNX model (called by ``ModelWrapper.transform``)."""
        result = self(ir.serde.deserialize_model(model.model))
        assert isinstance(result, HardwarePassResult)  # noqa: S101 - `call` above returns nothing else
        for refusal in result.refusals:
            _LOGGER.warning("%s", refusal)
        if result.modified:
            model.model.CopyFrom(ir.serde.serialize_model(result.model))
        return model, False

    def refuse(self, result: HardwarePassResult, node: ir.Node, why: NoMatchError) -> None:
        """Note that a node is left as it is."""
        result.refusals.append(
            Refusal(
                pass_name=type(self).__name__,
                node=node.name or node.outputs[0].name or "",
                op_type=node.op_type,
                reason=why.reason,
                advice=why.advice,
            )
        )

    def note(self, result: HardwarePassResult, node: ir.Node, detail: str) -> None:
        """Note that a node was rewritten."""
        name = node.name or node.outputs[0].name or ""
        result.rewrites.append(Rewrite(pass_name=type(self).__name__, node=name, detail=detail))
