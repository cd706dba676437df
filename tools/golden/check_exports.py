"""Acceptance tool: what `regnet design export` writes, given to timm and torchvision; their networks against `regnet info` and `regnet predict`.

Usage: check_exports.py REGNET_BINARY     Exit code 1 when a network, a tensor name or a logit differs.

The command refuses what timm cannot build: other numbers of stages than four, designs given by their stages, and numbers whose widths 32 bits
round otherwise or might. Such designs are listed as refused.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from names import canonical_names, rename
from zoo import ZOO

GOLDEN = Path(__file__).parents[2] / "tests/golden/sampled_designs.json"
# Given by their stages; three of another number than four, one with bottlenecks.
STAGES = ("ds=1-2-3,ws=32-64-128,gs=16", "ds=2-3,ws=48-96,gs=8-24", "ds=1-1-2-2-1,ws=16-32-64-96-128,gs=8", "ds=1-2-3-1,ws=32-64-128-256,gs=8,bs=0.5")
# Numbers whose widths round up in 64 bits and down in 32, or lie on the border; a skipped level; bottlenecks; torchvision's rule.
ODD = ("w0=64,wa=16,wm=2.25,d=10,g=8", "w0=200,wa=60,wm=2.18,d=20,g=8", "w0=64,wa=32,wm=4,d=16,g=16", "w0=8,wa=120,wm=2.1,d=12,g=8",
       "w0=24,wa=36.44,wm=2.49,d=13,g=16,b=0.5", "w0=24,wa=36.44,wm=2.49,d=13,g=16,b=2", "w0=56,wa=38.84,wm=2.4,d=14,g=16,rule=torchvision",
       "w0=168,wa=76.82,wm=2.19,d=17,g=56,rule=torchvision")
INITIAL = ("regnetx_200mf", "regnet_x_400mf", "w0=24,wa=36.44,wm=2.49,d=13,g=16,b=0.5")
LIMIT = 1e-4  # of the logits' standard deviation
CLASSES = 37


def run(binary: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, check=False)


def exported(binary: str, design: str, form: str, *more: str | Path) -> Any:
    """Returns the parsed export, or None when it was refused."""
    result = run(binary, "design", "export", design, "-f", form, "--classes", str(CLASSES), *more)
    return json.loads(result.stdout) if result.returncode == 0 else None


def timm_network(j: dict[str, Any]) -> nn.Module:
    """Builds as the export's "python" says."""
    return timm.models.regnet.RegNet(timm.models.regnet.RegNetCfg(**j["cfg"]), num_classes=j["num_classes"])


def torchvision_network(j: dict[str, Any]) -> nn.Module:
    """Builds as the export's "python" says."""
    block_params = torchvision.models.regnet.BlockParams
    make = block_params if "constructor" in j else block_params.from_init_params
    with torch.device("cpu"):  # it computes widths with tensors, which need values
        block = make(**j["block_params"])
    return torchvision.models.regnet.RegNet(block, num_classes=j["num_classes"])


def count(model: nn.Module) -> int:
    """Returns the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def stages(row: dict[str, Any]) -> list[Any]:
    """Returns what describes the network in a row of JSON."""
    return [row[key] for key in ("depths", "widths", "group_widths", "bottleneck_widths")]


def check_design(binary: str, design: str, folder: Path) -> list[str]:
    """Returns what is wrong with the exports of a design; prints a line."""
    wrong = []
    expected = json.loads(run(binary, "info", design, "--classes", str(CLASSES), "-o", "json").stdout)[0]["params"]
    row = exported(binary, design, "json")[0]
    if row["params"] != expected:
        wrong.append(f"json: {row['params']} parameters, expected {expected}")
    line = []
    for form, build in (("timm", timm_network), ("torchvision", torchvision_network)):
        j = exported(binary, design, form)
        line.append(f"{form} {'refused' if j is None else 'by stages' if 'constructor' in j else 'by numbers'}")
        if j is None and form == "torchvision":
            wrong.append("torchvision: refused")
        if j is None:
            continue
        with torch.device("meta"):
            found = count(build(j))
        if found != expected:
            wrong.append(f"{form}: {found} parameters, expected {expected}")
    yaml = folder / "design.yaml"
    run(binary, "design", "export", design, "--classes", str(CLASSES), "-o", yaml, "--force")
    if stages(exported(binary, str(yaml), "json")[0]) != stages(row):
        wrong.append("pycls: reads back as another network")
    line.append(f"pycls {'by stages' if 'ANYNET' in yaml.read_text() else 'by numbers'}")
    print(f"{design:45} {expected:10}  {', '.join(line)}{''.join('  WRONG ' + what for what in wrong)}", flush=True)
    return wrong


def check_initial(binary: str, design: str, naming: str, folder: Path) -> list[str]:
    """Returns what is wrong with a file to begin training from: its names, and for timm and torchvision the logits of their networks with it."""
    weights, image, out = folder / "initial.safetensors", folder / "input.npy", folder / "logits.npy"
    form = naming if naming in ("timm", "torchvision") else "torchvision"
    j = exported(binary, design, form, "--init", weights, "--naming", naming, "--seed", "3", "--force")
    tensors = load_file(weights)
    model = (timm_network if form == "timm" else torchvision_network)(j).eval()
    names = canonical_names(tensors, naming)
    model.load_state_dict({rename(name, form): tensors[rename(name, naming)] for name in names} if form != naming else tensors, strict=True)
    if len(tensors) != len(model.state_dict()):
        return [f"{naming}: {len(tensors)} tensors, expected {len(model.state_dict())}"]
    x = np.random.default_rng(0).standard_normal((2, 3, 224, 224), dtype=np.float32)
    np.save(image, x)
    result = run(binary, "predict", "-q", "--threads", "1", "--weights", weights, "--logits", out, image)
    if result.returncode != 0:
        return [f"{naming}: {result.stderr}"]
    with torch.inference_mode():
        golden = model.double()(torch.from_numpy(x).double()).numpy()
    worst = float(np.abs(np.load(out) - golden).max() / golden.std())
    print(f"{design:45} {naming:12} initial weights, logits of std {golden.std():.2e} differ by {worst:.1e}", flush=True)
    return [f"{naming}: logits differ by {worst:.1e}"] if not worst <= LIMIT else []


def check_exports(binary: str) -> list[str]:
    """Returns all that is wrong."""
    sampled = json.loads(GOLDEN.read_text())["designs"][::20]
    designs = [*ZOO, *STAGES, *ODD, *(f"w0={w0},wa={wa},wm={wm},d={d},g={g}" for d, w0, wa, wm, g, *_ in sampled)]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for design in designs:
            wrong += check_design(binary, design, Path(folder))
        for design in INITIAL:
            for naming in ("pycls", "mmcls", "timm", "torchvision"):
                wrong += check_initial(binary, design, naming, Path(folder))
    return wrong


def main() -> int:
    """Prints a line for each design and file."""
    wrong = check_exports(sys.argv[1])
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
