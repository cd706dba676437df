"""Writes the files in tests/golden: `make_golden.py [--out DIR] [--check-names TABLE] [PART...]`, all parts by default."""

import argparse
from pathlib import Path

from checkpoint_matrix import write_checkpoint_matrix
from checkpoints import write_checkpoints
from designs import write_designs
from images import write_images
from names import check_against_table
from pixels import write_preprocess
from stages import write_stages
from synthetic import write_synthetic
from zoo import write_recipe, write_zoo

PARTS = {"synthetic": write_synthetic, "zoo": write_zoo, "checkpoints": write_checkpoints,
         "matrix": write_checkpoint_matrix, "preprocess": write_preprocess, "images": write_images, "recipe": write_recipe, "stages": write_stages,
         "designs": write_designs}
GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"


def main() -> None:
    """Parses the command line and writes the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=GOLDEN, help="directory to write to (default: tests/golden)")
    parser.add_argument("--check-names", type=Path, metavar="TABLE",
                        help="first compare the names with a table of pycls, shape, mmcls, timm, torchvision columns")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part {sorted(unknown)[0]!r}, expected any of {', '.join(PARTS)}")
    if arguments.check_names and arguments.check_names.exists():
        print(f"names agree in {check_against_table(arguments.check_names)} rows")
    for part in arguments.parts or PARTS:
        PARTS[part](arguments.out)


if __name__ == "__main__":
    main()
