"""FINN without Vivado: the one place that works around what FINN+ 1.6.1 expects of its surroundings.

Three things stand between ``pip install finn-plus`` and an estimate-only build on a machine without Vivado:

1. ``finn.builder.build_dataflow_steps`` imports ``finn.xsi.SimEngine``, which is made on first use from Vivado's
   simulator and raises where there is none.  Estimates need no simulator.
2. FINN finds its folders through settings that its own command line prepares; a library user has none, and looking for
   them creates ``~/.finn``.
3. After a successful build, ``exit_buildflow`` asks for the name of the Vivado folder for a metadata file and raises
   without ``XILINX_VIVADO``.

Where ``XILINX_VIVADO`` is set, 1 and 3 are left alone, and settings that FINN can find are always used.  What else
deals with FINN, `finn_transforms.rtl.finn_library`, `finn_transforms.hw` and `finn_transforms.build_steps`, calls
`prepare_finn` first.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from unittest.mock import patch

import onnx_ir as ir
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from finn_transforms.analysis.matching import HARDWARE_DOMAIN

if TYPE_CHECKING:
    from finn.builder.build_dataflow_config import DataflowBuildConfig


class FinnMissingError(ImportError):
    """FINN is not installed."""


class FinnBuildError(RuntimeError):
    """FINN's builder gave up; its log says why."""


def require_finn() -> None:
    """Raise unless FINN is installed.

    Raises:
        FinnMissingError: it is not.
    """
    if find_spec("finn") is None:
        raise FinnMissingError(
            "expected FINN+ to hand over to its builder, found no package 'finn'; "
            'install the extra: pip install "brevitas-finn-ext[finn]"',
            name="finn",
        )


def has_vivado() -> bool:
    """Tell whether a Vivado is there for FINN to use."""
    return "XILINX_VIVADO" in os.environ


def prepare_finn() -> None:
    """Make FINN's builder importable in this process; does nothing where it already is.

    Raises:
        FinnMissingError: FINN is not installed.
    """
    require_finn()
    _provide_settings()
    if has_vivado():
        return
    import finn.xsi

    if "SimEngine" not in vars(finn.xsi):
        finn.xsi.SimEngine = _NoSimulator


def run_builder(model: str | Path, config: DataflowBuildConfig) -> Path:
    """Run FINN's builder on a model, with or without Vivado.

    Unlike ``finn.builder.build_dataflow.build_dataflow_cfg`` it raises on failure and gives standard output, standard
    error and logging back as it found them.

    Args:
        model: the exported file; a step such as `step_bfx_lower_to_hw` comes first.
        config: FINN's configuration.

    Returns:
        The folder of reports.

    Raises:
        FinnMissingError: FINN is not installed.
        FinnBuildError: a step failed.
    """
    prepare_finn()
    from finn.builder import build_dataflow

    with ExitStack() as stack:
        stack.enter_context(_own_streams())
        if not has_vivado():
            stack.enter_context(patch.object(build_dataflow, "get_vivado_root", lambda: "none"))
        failed = build_dataflow.build_dataflow_cfg(str(model), config)
    if failed:
        log = Path(config.output_dir) / "build_dataflow.log"
        raise FinnBuildError(f"expected FINN's builder to finish, found that a step failed; see {log}")
    return Path(config.get_report_directory())


def finn_accumulator_widths(model: ir.Model) -> dict[str, str]:
    """Return the accumulator data type that FINN itself gives each matrix-vector unit, by node name.

    Runs FINN's ``MinimizeAccumulatorWidth`` on a copy of the hardware layers alone, as its builder does behind the
    partition; there a unit that nothing follows gets whole bytes.

    Args:
        model: a graph of hardware layers.

    Raises:
        FinnMissingError: FINN is not installed.
    """
    prepare_finn()
    from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth

    proto = ir.serde.serialize_model(model)
    hardware = [node for node in proto.graph.node if node.domain.startswith(HARDWARE_DOMAIN)]
    del proto.graph.node[:]
    proto.graph.node.extend(hardware)
    minimized = ModelWrapper(proto).transform(MinimizeAccumulatorWidth())
    units = (node for node in minimized.graph.node if node.op_type.startswith("MVAU"))
    return {node.name: str(getCustomOp(node).get_nodeattr("accDataType")) for node in units}


class _NoSimulator:
    """Stands in for FINN's simulator where there is no Vivado."""

    def __init__(self, *_arguments: object, **_options: object) -> NoReturn:
        raise FinnBuildError(
            "expected Vivado for a simulation of the hardware, found no XILINX_VIVADO; source Vivado's settings, or "
            "leave out the steps that simulate"
        )


def _provide_settings() -> None:
    """Give FINN a build folder of this process, unless the user's surroundings already name one."""
    from finn.util.exception import FINNUserError
    from finn.util.settings import get_settings

    try:
        get_settings()
    except FINNUserError:
        folder = Path(tempfile.mkdtemp(prefix="finn_build_"))
        users_own = Path.home() / ".finn" / "settings.yaml"
        settings = users_own if users_own.exists() else folder / "settings.yaml"
        # In the environment, since worker processes that FINN starts look there.
        os.environ["FINN_BUILD_DIR"] = str(folder)
        os.environ.setdefault("FINN_SETTINGS", str(settings))


@contextmanager
def _own_streams() -> Iterator[None]:
    """Undo what FINN's builder does to the process: it redirects output, logging and warnings for good."""
    root = logging.getLogger()
    streams, handlers, level = (sys.stdout, sys.stderr), root.handlers[:], root.level
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
