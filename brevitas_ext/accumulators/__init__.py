"""The integers of every quantized layer of a Brevitas model, and what accumulators they need."""

from brevitas_ext.accumulators.layer_report import ChannelReport, LayerReport
from brevitas_ext.accumulators.record import TracedLayer
from brevitas_ext.accumulators.report import AccumulatorReport
from brevitas_ext.accumulators.trace import trace_layers

__all__ = ["AccumulatorReport", "ChannelReport", "LayerReport", "TracedLayer", "trace_layers"]
