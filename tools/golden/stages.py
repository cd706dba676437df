"""Writes stages.tar.xz: for each framework, what it computes for a small image at every stage, as dump_stages.py writes it."""

import argparse
import tempfile
from pathlib import Path

from checkpoint_matrix import pack
from dump_stages import dump

WEIGHTS = {"pycls": "pycls.safetensors", "mmcls": "mmcls-zip.pth", "timm": "timm.safetensors", "torchvision": "torchvision-zip.pth"}


def write_stages(directory: Path) -> None:
    """Writes the archive; its weights and image are golden files themselves."""
    archive = directory / "stages.tar.xz"
    with tempfile.TemporaryDirectory() as temporary:
        for framework, file in WEIGHTS.items():
            print(dump(argparse.Namespace(framework=framework, preset=None, weights=directory / "checkpoints" / file, weights_key=None,
                                          image=directory / "images" / "420.jpg", resize=40, crop=35, out=Path(temporary) / framework)))
        pack(Path(temporary), archive)
    print(f"{archive.name}: {archive.stat().st_size} bytes")
