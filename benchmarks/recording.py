"""Where and with what a measurement was made, written beside its figures."""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "qonnx", "torch", "brevitas", "finn-plus")


def record(path: Path, figures: dict[str, Any]) -> None:
    """Write figures with date, machine and the versions of what was measured."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    provenance = {"date": datetime.now(UTC).date().isoformat(), "machine": platform.machine(), "versions": versions}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**provenance, **figures}, indent=2) + "\n")
