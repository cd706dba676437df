"""Deterministic JSON for committed files: sorted keys, one line for each list of plain values."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def digits9(values: np.ndarray) -> list[float]:
    """Returns the values as floats with at most 9 significant digits."""
    return [float(f"{v:.9g}") for v in np.asarray(values, dtype=np.float64).ravel()]


def shortest32(values: np.ndarray) -> list[float]:
    """Returns float32 values as the shortest decimals (at most 9 digits) that read back as the same float32."""
    return [float(np.format_float_scientific(v, unique=True)) for v in np.asarray(values, dtype=np.float32).ravel()]


def _lines(value: Any, indent: str) -> str:
    """Spreads dictionaries and lists of containers over lines and keeps lists of plain values on one."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(key)}: {_lines(value[key], inner)}" for key in sorted(value)]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(inner + _lines(item, inner) for item in value) + f"\n{indent}]"
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def write(path: Path, value: Any) -> None:
    """Writes the value and prints the file's size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lines(value, "") + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")
