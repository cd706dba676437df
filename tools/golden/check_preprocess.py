"""Compares `regnet preprocess` with the original libraries: `check_preprocess.py REGNET_BINARY IMAGE...`.

For every preset and image: the largest difference in grey levels, the share of equal values (for a preset that resizes
in float, equal after rounding to 1/1000 of a grey level) and the share of network inputs that are equal bit for bit; then
the same for each preset over all images. Exit code 1 if a difference exceeds 1 level, a share of equal values is below
99.9 %, or the binary fails. Images with an EXIF orientation differ: OpenCV turns them, `regnet` does not unless told to.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import PIL
import timm
import torchvision

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
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise ValueError(f"exit code {run.returncode}: {run.stderr.strip()}")
        tensor = np.load(dump)
    if tensor.dtype != np.float32 or tensor.ndim != 4 or tensor.shape[0] != 1:
        raise ValueError(f"expected float32 [1, 3, h, w], found {tensor.dtype} {list(tensor.shape)}")
    return tensor[0]


def compare(found: np.ndarray, expected: np.ndarray, preset: str) -> tuple[float, float, float]:
    """Returns the largest difference in grey levels, the share of equal values and that of values equal to the bit."""
    if found.shape != expected.shape:
        raise ValueError(f"expected shape {list(expected.shape)}, found {list(found.shape)}")
    if not np.isfinite(found).all():
        raise ValueError("found values that are not finite")
    a, b = grey_levels(found, preset), grey_levels(expected, preset)
    steps = 1000 if preset in RESIZES_IN_FLOAT else 1
    bits = (found.view(np.uint32) == expected.view(np.uint32)).mean()
    return float(np.abs(a - b).max()), float((np.rint(a * steps) == np.rint(b * steps)).mean()), float(bits)


def main() -> int:
    """Prints the table and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    arguments = parser.parse_args()

    print(f"OpenCV {cv2.__version__} (IPP off), Pillow {PIL.__version__}, torchvision {torchvision.__version__}, "
          f"timm {timm.__version__}")
    failed = 0
    row = "{:<15} {:>9} {:>9} {:>9}  {}"
    print(row.format("preset", "max diff", "equal %", "bits %", "image"))
    totals = []
    for preset, reference in PRESETS.items():
        results = []
        for image in arguments.images:
            try:
                expected = reference(read_rgb(image, preset))
                results.append(compare(preprocess(arguments.binary, preset, image), expected, preset))
            except (OSError, ValueError) as error:
                failed += 1
                print(row.format(preset, "-", "-", "-", f"{image}  FAILED: {error}"))
                continue
            difference, share, bits = results[-1]
            good = difference <= LARGEST_DIFFERENCE + ROUNDING and share >= SMALLEST_SHARE
            failed += not good
            print(row.format(preset, f"{difference:.2g}", f"{100 * share:.4f}", f"{100 * bits:.4f}",
                             f"{image}{'' if good else '  FAILED'}"))
        if results:  # every image has as many values, so the mean of the shares is the share
            difference, share, bits = np.max(results, axis=0)[0], *np.mean(results, axis=0)[1:]
            totals.append(row.format(preset, f"{difference:.2g}", f"{100 * share:.4f}", f"{100 * bits:.4f}",
                                     f"{len(results)} images"))
    print("\n".join(totals))
    print(f"{failed} of {len(PRESETS) * len(arguments.images)} comparisons failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
