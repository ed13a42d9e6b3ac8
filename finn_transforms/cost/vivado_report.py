"""Reading the text that Vivado's ``report_utilization`` and ``report_timing_summary`` write."""

from __future__ import annotations

import re
from collections.abc import Iterator

from finn_transforms.cost.utilization import CriticalPath, Utilization

_PRIMITIVE = re.compile(r"^\|\s*([A-Z][A-Z0-9_]*)\s*\|\s*(\d+)\s*\|\s*[A-Za-z][\w ./]*\|$", re.MULTILINE)
_LEVEL = re.compile(r"([A-Z]+)(\d*)=(\d+)")


def read_reports(utilization: str, timing: str, *, name: str, family: str, tool: str) -> Utilization:
    """Return what two reports say.

    Args:
        utilization: Text of ``report_utilization``.
        timing: Text of ``report_timing_summary``.
        name: Name of the unit.
        family: Family or part.
        tool: Tool and version.

    Raises:
        ValueError: a line that has to be there is missing.
    """
    used = dict(_site_types(utilization))
    cells = {match[1]: int(match[2]) for match in _PRIMITIVE.finditer(utilization)}
    memory = _number(used, "LUT as Memory")
    srl = int(used.get("LUT as Shift Register", 0))
    logic = _number(used, "LUT as Logic")
    return Utilization(
        name=name,
        family=family,
        lut_logic=logic,
        lut_memory=memory - srl,
        lut_srl=srl,
        luts_before_packing=sum(count for cell, count in cells.items() if re.fullmatch(r"LUT[1-6]", cell)) + memory,
        lut_without_ternary=logic + memory,
        lut_paired=logic + memory,
        ff=_number(used, "CLB Registers", "Slice Registers"),
        carry=cells.get("CARRY4", 0) + cells.get("CARRY8", 0),
        bram18=2 * _number(used, "RAMB36/FIFO") + _number(used, "RAMB18"),
        uram=int(used.get("URAM", 0)),
        dsp=_number(used, "DSPs"),
        critical_path=_critical_path(timing),
        tool=tool,
        cells=dict(sorted(cells.items())),
    )


def _site_types(report: str) -> Iterator[tuple[str, float]]:
    """Yield (site type, used) of the tables whose header is ``Site Type``."""
    within = False
    for line in report.splitlines():
        fields = [field.strip() for field in line.strip("|").split("|")]
        if not line.startswith(("|", "+")):
            within = False
        elif len(fields) > 1 and fields[0] == "Site Type":
            within = True
        elif within and len(fields) > 1 and re.fullmatch(r"\d+(\.\d+)?", fields[1]):
            yield fields[0].rstrip("*"), float(fields[1])


def _number(used: dict[str, float], *names: str) -> int:
    for name in names:
        if name in used:
            return int(used[name])
    raise ValueError(
        f"report_utilization: expected a line {' or '.join(names)}, found {', '.join(used) or 'none'}; "
        "compare the report with the format that finn_transforms.cost.vivado_report reads"
    )


def _critical_path(report: str) -> CriticalPath | None:
    """Return the first maximum-delay path, or None where no path is constrained."""
    paths = report.partition("Max Delay Paths")[2]
    if not paths:
        return None
    slack = _field(paths, r"Slack \((?:MET|VIOLATED)\)\s*:\s*(-?[\d.]+)ns")
    required = _field(paths, r"Requirement:\s*([\d.]+)ns")
    levels = _LEVEL.findall(_field(paths, r"Logic Levels:\s*(\d+.*)"))
    return CriticalPath(
        delay_ns=round(float(required) - float(slack), 3),
        lut_levels=sum(int(count) for cell, _, count in levels if cell != "CARRY"),
        carry_bits=sum(int(width or 1) * int(count) for cell, width, count in levels if cell == "CARRY"),
        start=_field(paths, r"Source:\s*(\S+)"),
        end=_field(paths, r"Destination:\s*(\S+)"),
    )


def _field(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(
            f"report_timing_summary: expected a line like {pattern!r}, found none; "
            "compare the report with the format that finn_transforms.cost.vivado_report reads"
        )
    return found[1]
