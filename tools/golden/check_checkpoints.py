"""Acceptance tool: every zoo network, saved by torch in every naming and container, through `regnet predict`, against PyTorch.

Usage: check_checkpoints.py REGNET_BINARY [MODEL...]     Exit code 1 when a difference is above 1e-4 of the logits' standard deviation.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from checkpoint_matrix import vissl, vissl_flat
from checkpoints import save, spelled, wrapped
from names import SPELLINGS, canonical_names, rename
from zoo import build, synthetic_input

LIMIT = 1e-4
CONTAINERS = ("torch-zip", "torch-legacy", "safetensors")
GOLDEN = Path(__file__).parents[2] / "tests/golden/zoo_logits.json"


def canonical_state(name: str) -> dict[str, torch.Tensor]:
    """Returns the synthetic state dict of a network under pycls names."""
    state = build(name, 1000)[0].float().state_dict()
    return {canonical: state[rename(canonical, "timm")] for canonical in canonical_names(state, "timm")}


def file_object(state: dict[str, torch.Tensor], naming: str, container: str) -> object:
    """Returns what a file of this framework holds; safetensors hold tensors alone."""
    if naming == "vissl":
        return vissl_flat(state) if container == "safetensors" else vissl(state)
    if container == "safetensors":
        return state
    value = wrapped(state, naming)[0]
    if naming == "mmcls":
        del value["meta"]["CLASSES"]  # the fixtures' five names; these networks have 1000 classes
    return value


def worst_difference(binary: str, weights: Path, image: Path, golden: np.ndarray) -> float:
    """Runs the command and returns the largest difference in standard deviations of the golden logits."""
    out = weights.with_suffix(".npy")
    subprocess.run([binary, "predict", "-q", "--threads", "1", "--weights", weights, "--logits", out, image], check=True, stdout=subprocess.DEVNULL)
    return float(np.abs(np.load(out)[0] - golden).max() / golden.std())


def main() -> int:
    """Prints a line per file."""
    golden = json.loads(GOLDEN.read_text())["models"]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "input.npy"
        np.save(image, synthetic_input(1, 224).float().numpy())
        for name in sys.argv[2:] or golden:
            state = canonical_state(name)
            for naming in SPELLINGS:
                for container in CONTAINERS:
                    path = Path(folder) / ("weights.safetensors" if container == "safetensors" else "weights.pth")
                    save(path, file_object(spelled(state, naming), naming, container), container)
                    worst = worst_difference(sys.argv[1], path, image, np.array(golden[name]))
                    failed += worst > LIMIT
                    print(f"{name:16} {naming:12} {container:12} {worst:.1e}", flush=True)
    print(f"{failed} above {LIMIT}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
