"""Compares `regnet preprocess` with the original libraries: `check_preprocess.py REGNET_BINARY IMAGE...`.

For every preset and image: the largest difference in grey levels, and the share of equal values (for a preset that
resizes in float, equal after rounding to 1/1000 of a grey level). Exit code 1 if a difference exceeds 1 level, a share
is below 99.9 %, or the binary fails.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from presets import PRESETS, RESIZES_IN_FLOAT, grey_levels, read_rgb

LARGEST_DIFFERENCE = 1.0
# The difference above is measured on un-normalised float32 values: one level there is 1 within this.
ROUNDING = 1e-3
SMALLEST_SHARE = 0.999


def preprocess(binary: Path, preset: str, image: Path) -> np.ndarray:
    """Returns what the binary dumps for one image, [3, h, w] float32."""
    with tempfile.TemporaryDirectory() as directory:
        dump = Path(directory) / "out.npy"
        command = [str(binary), "preprocess", "--preset", preset, "--dump", str(dump), str(image)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        tensor = np.load(dump)
    if tensor.dtype != np.float32 or tensor.ndim != 4 or tensor.shape[0] != 1:
        raise ValueError(f"expected float32 [1, 3, h, w], found {tensor.dtype} {list(tensor.shape)}")
    return tensor[0]


def compare(found: np.ndarray, expected: np.ndarray, preset: str) -> tuple[float, float]:
    """Returns the largest difference in grey levels and the share of equal values."""
    if found.shape != expected.shape:
        raise ValueError(f"expected shape {list(expected.shape)}, found {list(found.shape)}")
    if not np.isfinite(found).all():
        raise ValueError("found values that are not finite")
    a, b = grey_levels(found, preset), grey_levels(expected, preset)
    steps = 1000 if preset in RESIZES_IN_FLOAT else 1
    return float(np.abs(a - b).max()), float((np.rint(a * steps) == np.rint(b * steps)).mean())


def main() -> int:
    """Prints the table and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    arguments = parser.parse_args()

    failed = 0
    print(f"{'preset':<15} {'max diff':>9} {'equal %':>9}  image")
    for preset, reference in PRESETS.items():
        for image in arguments.images:
            try:
                expected = reference(read_rgb(image, preset))
                difference, share = compare(preprocess(arguments.binary, preset, image), expected, preset)
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                failed += 1
                print(f"{preset:<15} {'-':>9} {'-':>9}  {image}  FAILED: {error}")
                continue
            good = difference <= LARGEST_DIFFERENCE + ROUNDING and share >= SMALLEST_SHARE
            failed += not good
            print(f"{preset:<15} {difference:9.4f} {100 * share:9.4f}  {image}{'' if good else '  FAILED'}")
    print(f"{failed} of {len(PRESETS) * len(arguments.images)} comparisons failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
