"""Reports of a build: FINN's JSON files under FINN's names, accumulators with certificates, refusals, and tables."""

from finn_transforms.report.accumulators import AccumulatorRow, accumulator_rows
from finn_transforms.report.breakdown import layer_breakdown, not_estimated
from finn_transforms.report.certificates import certificates
from finn_transforms.report.finn_json import (
    layer_cycles,
    layer_resources,
    network_performance,
    operations_and_parameters,
)
from finn_transforms.report.folding import folding_document
from finn_transforms.report.tables import accumulator_table, layer_table, refusal_table
from finn_transforms.report.writing import publish, write_json

__all__ = [
    "AccumulatorRow",
    "accumulator_rows",
    "accumulator_table",
    "certificates",
    "folding_document",
    "layer_breakdown",
    "layer_cycles",
    "layer_resources",
    "layer_table",
    "network_performance",
    "not_estimated",
    "operations_and_parameters",
    "publish",
    "refusal_table",
    "write_json",
]
