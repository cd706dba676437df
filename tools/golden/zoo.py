"""Golden logits of the published networks: synthetic weights in timm's and torchvision's own models, run in float64."""

from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from torch import nn

import compact_json
from names import canonical_names, rename
from synthetic import synthetic

# ours -> timm, and torchvision where its rounding gives the same network.
ZOO = {
    "regnetx_200mf": ("regnetx_002", None),
    "regnetx_400mf": ("regnetx_004", None),
    "regnetx_600mf": ("regnetx_006", None),
    "regnetx_800mf": ("regnetx_008", "regnet_x_800mf"),
    "regnetx_1.6gf": ("regnetx_016", "regnet_x_1_6gf"),
    "regnetx_3.2gf": ("regnetx_032", "regnet_x_3_2gf"),
    "regnetx_4.0gf": ("regnetx_040", None),
    "regnetx_6.4gf": ("regnetx_064", None),
    "regnetx_8.0gf": ("regnetx_080", "regnet_x_8gf"),
    "regnetx_12gf": ("regnetx_120", None),
    "regnetx_16gf": ("regnetx_160", "regnet_x_16gf"),
    "regnetx_32gf": ("regnetx_320", "regnet_x_32gf"),
    # torchvision's own 400MF, whose last stage is 400 wide
    "regnet_x_400mf": ("regnetx_004_tv", "regnet_x_400mf"),
}

# model, resolution, classes, batch
CASES = [
    ("regnetx_200mf", 64, 7, 3),
    ("regnetx_200mf", 33, 3, 2),
    ("regnetx_400mf", 160, 10, 1),
    ("regnetx_400mf", 225, 10, 1),
    ("regnetx_800mf", 96, 11, 2),
    ("regnetx_8.0gf", 64, 5, 2),
    ("regnet_x_400mf", 160, 10, 1),
]

RECIPE_MODELS = ("regnet_x_400mf", "regnet_x_3_2gf", "regnet_x_8gf")


def load_synthetic(model: nn.Module, naming: str) -> nn.Module:
    """Replaces every weight and statistic of the model by its synthetic values, strictly, and returns it in float64."""
    stored = model.state_dict()
    state = {}
    for name in canonical_names(stored, naming):
        spelling = rename(name, naming)
        counter = name.endswith("num_batches_tracked")
        state[spelling] = stored[spelling] if counter else torch.from_numpy(synthetic(name, tuple(stored[spelling].shape)))
    model.load_state_dict(state, strict=True)
    return model.eval().double()


def synthetic_input(batch: int, resolution: int) -> torch.Tensor:
    """Returns the synthetic network input in float64."""
    return torch.from_numpy(synthetic("input", (batch, 3, resolution, resolution))).double()


def run(model: nn.Module, batch: int, resolution: int) -> np.ndarray:
    """Returns the logits [batch, classes]; throws if a layer leaves the range in which float32 is comfortable."""
    largest = 0.0

    def watch(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal largest
        largest = max(largest, output.abs().max().item())

    hooks = [module.register_forward_hook(watch) for module in model.modules() if not list(module.children())]
    with torch.inference_mode():
        logits = model(synthetic_input(batch, resolution)).numpy()
    for hook in hooks:
        hook.remove()
    print(f"  largest activation {largest:.3g}, logits std {logits.std():.3g}", flush=True)
    if not (largest < 1e4 and 0.1 < logits.std() < 30):
        raise ValueError("the synthetic weights give unrealistic magnitudes")
    return logits


def build(name: str, classes: int) -> tuple[nn.Module, nn.Module | None]:
    """Returns timm's network of this name and torchvision's, if it ships an equal one."""
    timm_name, torchvision_name = ZOO[name]
    ours = load_synthetic(timm.create_model(timm_name, num_classes=classes), "timm")
    if torchvision_name is None:
        return ours, None
    other = torchvision.models.get_model(torchvision_name, weights=None, num_classes=classes)
    return ours, load_synthetic(other, "torchvision")


def agreed_logits(name: str, resolution: int, classes: int, batch: int) -> np.ndarray:
    """Returns timm's logits after comparing them with torchvision's to 1e-9 of the largest."""
    print(name, resolution, classes, batch)
    ours, other = build(name, classes)
    logits = run(ours, batch, resolution)
    if other is not None:
        difference = np.abs(run(other, batch, resolution) - logits).max() / np.abs(logits).max()
        if difference > 1e-9:
            raise ValueError(f"{name}: timm and torchvision differ by {difference:.3g} of the largest logit")
    return logits


def write_zoo(directory: Path) -> None:
    """Writes zoo_logits.json."""
    models = {name: compact_json.digits9(agreed_logits(name, 224, 1000, 1)) for name in ZOO}
    cases = []
    for name, resolution, classes, batch in CASES:
        logits = agreed_logits(name, resolution, classes, batch)
        cases.append({"model": name, "resolution": resolution, "classes": classes, "batch": batch,
                      "logits": [compact_json.digits9(row) for row in logits]})
    compact_json.write(directory / "zoo_logits.json", {
        "about": "synthetic weights and input (tools/golden/synthetic.py), float64 forward, 9 significant digits",
        "torch": torch.__version__, "timm": timm.__version__, "torchvision": torchvision.__version__,
        "resolution": 224, "classes": 1000, "batch": 1, "models": models, "cases": cases})


def write_recipe(directory: Path) -> None:
    """Writes torchvision_recipe.json: torchvision's own initialisation from seed 0, which needs torch's generator."""
    models = {}
    for name in RECIPE_MODELS:
        torch.manual_seed(0)
        model = torchvision.models.get_model(name, weights=None, num_classes=50).eval()
        x = torch.rand(1, 3, 224, 224)
        with torch.inference_mode():
            models[name] = compact_json.digits9(model.double()(x.double()).numpy())
    compact_json.write(directory / "torchvision_recipe.json", {
        "about": "float64 forward of the float32 weights and the float32 input, 9 significant digits",
        "recipe": "torch.manual_seed(0); m = torchvision.models.<name>(num_classes=50).eval(); "
                  "x = torch.rand(1, 3, 224, 224); m.double()(x.double())",
        "torch": torch.__version__, "torchvision": torchvision.__version__, "models": models})
