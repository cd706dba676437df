"""Golden complexities: designs drawn as pycls draws them, each built by timm (some by torchvision too), and counted on what was built.

Generator and draws follow pycls (models/regnet.py, models/blocks.py, sweep/random.py, sweep/samplers.py) in float64; timm and torchvision compute
widths in float32, so that for few designs they build another network. Those are counted and left out.
"""

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from timm.models import regnet as timm_regnet
from torch import nn
from torchvision.models import regnet as torchvision_regnet

import compact_json
from zoo import ZOO

DESIGNS = 1000
TORCHVISION_DESIGNS = 40
RESOLUTION = 224


@dataclasses.dataclass(frozen=True)
class Params:
    """The numbers of a design with bottleneck 1."""

    d: int
    w0: int
    wa: float
    wm: float
    g: int


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of a network with bottleneck 1."""

    depth: int
    width: int
    group_width: int


def whole_steps(value: float, step: float) -> float:
    """Returns that many steps, as the double nearest to the decimal."""
    return float(Decimal(int(value)) * Decimal(str(step)))


def log_uniform(low: float, high: float, step: float) -> float:
    """Draws a multiple of `step`, uniform in its logarithm."""
    value = np.exp(-np.random.uniform(-np.log(high), -np.log(low - min(step, low / 2))))
    return whole_steps(np.ceil(value / step), step)


def power_of_two(low: int, high: int) -> int:
    """Draws a power of two."""
    return 2 ** int(np.floor(np.random.uniform(np.log2(low), np.log2(high) + 1)))


def draw() -> Params:
    """Draws a design from pycls's ranges; the order of the draws matters, and so does the one for the bottleneck, which is always 1."""
    d = int(np.floor(np.random.uniform(12, 29)))
    w0 = int(log_uniform(8, 256, 8))
    wa = log_uniform(8.0, 256.0, 0.1)
    wm = log_uniform(2.0, 3.0, 0.001)
    g = power_of_two(8, 128)
    if g >= 8:
        g = int(log_uniform(8, 128, 8))
    np.random.uniform(0, 1)
    return Params(d, w0, wa, wm, g)


def stages_of(params: Params) -> tuple[list[Stage], int]:
    """Returns the stages in float64, and the number of levels, which is larger when a power of wm is skipped."""
    levels = np.round(np.log((np.arange(params.d) * params.wa + params.w0) / params.w0) / np.log(params.wm))
    widths = np.round(params.w0 * np.power(params.wm, levels) / 8).astype(int) * 8
    stages = []
    for width, depth in zip(*np.unique(widths, return_counts=True), strict=True):
        group_width = min(params.g, int(width))
        stages.append(Stage(int(depth), max(1, round(int(width) / group_width)) * group_width, group_width))
    return stages, int(levels.max()) + 1


def timm_config(params: Params) -> timm_regnet.RegNetCfg:
    """Returns timm's arguments."""
    return timm_regnet.RegNetCfg(depth=params.d, w0=params.w0, wa=params.wa, wm=params.wm, group_size=params.g)


def built_by_timm(params: Params) -> tuple[nn.Module | None, list[Stage]]:
    """Returns timm's network without memory for its weights (None unless it has four stages) and the stages timm gave it."""
    config = timm_config(params)
    arguments, _ = timm_regnet.RegNet._get_stage_args(None, config)
    stages = [Stage(stage["depth"], stage["out_chs"], stage["group_size"]) for stage in arguments]
    return (timm_regnet.RegNet(config, device="meta") if len(stages) == 4 else None), stages


def counted(model: nn.Module) -> tuple[int, int, int]:
    """Returns parameters, and MACs and activations of one image: of convolutions and linear layers, whose bias adds count as MACs."""
    macs = activations = 0

    def count(module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal macs, activations
        per_output = module.weight[0].numel() + (module.bias is not None)
        macs += output.numel() * per_output
        activations += output.numel()

    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    with torch.inference_mode():
        model(torch.empty(1, 3, RESOLUTION, RESOLUTION, device="meta"))
    for hook in hooks:
        hook.remove()
    return sum(parameter.numel() for parameter in model.parameters()), macs, activations


def torchvision_params(stages: list[Stage]) -> int:
    """Returns the parameters of torchvision's network of these stages; its own rule would round some of them elsewhere."""
    block = torchvision_regnet.BlockParams(
        depths=[stage.depth for stage in stages], widths=[stage.width for stage in stages],
        group_widths=[stage.group_width for stage in stages], bottleneck_multipliers=[1.0] * len(stages), strides=[2] * len(stages))
    with torch.device("meta"):
        model = torchvision_regnet.RegNet(block)
    return sum(parameter.numel() for parameter in model.parameters())


def zoo_params() -> list[Params]:
    """Returns the published designs as timm has them."""
    configs = [timm_regnet.model_cfgs[timm_name] for timm_name, _ in ZOO.values()]
    return [Params(config.depth, config.w0, config.wa, config.wm, config.group_size) for config in configs if not config.group_min_ratio]


def write_designs(directory: Path) -> None:
    """Writes sampled_designs.json."""
    np.random.seed(1)
    rows: dict[Params, list[int]] = {}
    draws = candidates = other_networks = 0
    while len(rows) < DESIGNS:
        draws += 1
        params = draw()
        stages, levels = stages_of(params)
        if len(stages) != 4 or levels != 4 or params in rows:
            continue
        candidates += 1
        model, timm_stages = built_by_timm(params)
        if model is None or timm_stages != stages:
            other_networks += 1
            continue
        rows[params] = list(counted(model))
    compact_json.write(directory / "sampled_designs.json", {
        "about": f"designs of 4 stages without skipped levels, drawn as pycls's regnet_sampler draws after numpy.random.seed(1); {draws} draws "
                 f"gave {candidates}, of which timm's float32 makes {other_networks} another network; those are left out. Counted at "
                 f"{RESOLUTION} x {RESOLUTION} with 1000 classes on the networks that timm built; MACs are of convolutions and of the head with its "
                 "bias adds",
        "torch": torch.__version__, "timm": timm.__version__, "torchvision": torchvision.__version__,
        "columns": ["d", "w0", "wa", "wm", "g", "params", "macs", "activations"],
        "designs": [[*dataclasses.astuple(params), *row] for params, row in rows.items()],
        "torchvision_columns": ["d", "w0", "wa", "wm", "g", "params"],
        "torchvision_designs": [[*dataclasses.astuple(params), torchvision_params(stages_of(params)[0])]
                                for params in [*zoo_params(), *list(rows)[::DESIGNS // TORCHVISION_DESIGNS]]]})
