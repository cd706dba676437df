"""Writes what a framework computes for one image, stage by stage, as float32 .npy files with a reference.json.

    dump_stages.py --framework pycls|mmcls|timm|torchvision [--preset NAME] --weights FILE --image IMAGE OUT_DIR

The preprocessing is done by the framework's own libraries, step by step. The network is torchvision's, with the tensors
renamed, in float64; where it has four stages timm's runs too and must agree. Files written, all little-endian and in C order:

    decoded.npy, resized.npy, cropped.npy    [h, w, 3] RGB grey levels 0..255
    normalised.npy                           [1, 3, h, w] what the network sees, in its channel order
    stem.npy, s1.npy, s2.npy, ...            [1, c, h, w] after the last ReLU
    logits.npy                               [1, classes]
    image.*                                  the image file itself
"""

import argparse
import json
import math
import pickle
import sys
import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import safetensors
import timm
import timm.models.regnet as timm_regnet
import torch
import torchvision
import torchvision.models.regnet as tv_regnet
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tvf

from names import canonical_names, rename
from presets import MEAN_BGR_255, MEAN_RGB, PRESETS, STD_BGR_255, STD_RGB, read_rgb

# A framework's spellings, the ones of files in the wild first, and its preset.
FRAMEWORKS = {"pycls": (("pycls",), "pycls"), "mmcls": (("mmcls", "mmcls-bare"), "mmcls"), "timm": (("timm",), "timm"),
              "torchvision": (("torchvision",), "torchvision-v2")}
# Entries of a torch file that hold weights, in the order in which `regnet` looks for them.
WEIGHTS_KEYS = ("model_state", "state_dict", "model", "model_state_dict", "net")
PREFIXES = ("module.", "model.")
AGREEMENT = 1e-9  # of the largest value, between timm and torchvision in float64

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """One preprocessing, in the words of the `regnet.preset` metadata; mean and std are of red, green, blue."""

    name: str
    resize: int
    crop: int
    interpolation: str
    crop_offset: str
    channels: str
    value_range: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


_MEAN_255, _STD_255 = tuple(MEAN_BGR_255[::-1].tolist()), tuple(STD_BGR_255[::-1].tolist())
RECIPES = {recipe.name: recipe for recipe in (
    Recipe("pycls", 256, 224, "opencv-bilinear-f32", "ceil", "bgr", 1, MEAN_RGB, STD_RGB),
    Recipe("mmcls", 256, 224, "opencv-bilinear-u8", "half-even", "bgr", 255, _MEAN_255, _STD_255),
    Recipe("torchvision-v1", 256, 224, "pillow-bilinear", "half-even", "rgb", 1, MEAN_RGB, STD_RGB),
    Recipe("torchvision-v2", 232, 224, "pillow-bilinear", "half-even", "rgb", 1, MEAN_RGB, STD_RGB),
    Recipe("timm", 256, 224, "pillow-bicubic", "half-even", "rgb", 1, MEAN_RGB, STD_RGB))}
PILLOW = {"pillow-bilinear": InterpolationMode.BILINEAR, "pillow-bicubic": InterpolationMode.BICUBIC}
OPENCV = ("opencv-bilinear-f32", "opencv-bilinear-u8")


def recipe_from_metadata(text: str) -> Recipe:
    """Reads the preprocessing that a safetensors file carries."""
    try:
        recipe = Recipe(**json.loads(text))
        recipe = replace(recipe, mean=tuple(map(float, recipe.mean)), std=tuple(map(float, recipe.std)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata regnet.preset: {error}") from error
    for key, known in (("interpolation", (*PILLOW, *OPENCV)), ("crop_offset", ("half-even", "ceil")),
                       ("channels", ("rgb", "bgr")), ("value_range", (1, 255))):
        if getattr(recipe, key) not in known:
            raise ValueError(f"metadata regnet.preset: {key}: expected one of {known}, found {getattr(recipe, key)!r}")
    return recipe


def decode(path: Path, recipe: Recipe) -> np.ndarray:
    """Returns RGB bytes [h, w, 3] by the framework's decoder; EXIF orientation is ignored."""
    if recipe.interpolation in PILLOW:
        return read_rgb(path, "timm")
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise ValueError(f"OpenCV cannot decode {path}")
    return np.ascontiguousarray(bgr[:, :, ::-1])


def resize(rgb: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Returns the whole resized image: uint8, or float32 in 0..1 where the framework resizes floats."""
    side, (h, w) = recipe.resize, rgb.shape[:2]
    if recipe.interpolation in PILLOW:
        return np.asarray(tvf.resize(Image.fromarray(rgb), [side], PILLOW[recipe.interpolation], antialias=True))
    if recipe.interpolation == "opencv-bilinear-f32":  # pycls
        size = (side, int(h / w * side)) if w < h else (int(w / h * side), side)
        image = rgb.astype(np.float32) / 255
    else:  # mmcls
        size = (side, int(side * h / w)) if w < h else (int(side * w / h), side)
        image = rgb
    return image if min(h, w) == side else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def crop(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Returns the square at the centre."""
    side, (h, w) = recipe.crop, image.shape[:2]
    rounded = math.ceil if recipe.crop_offset == "ceil" else round
    x, y = rounded((w - side) / 2), rounded((h - side) / 2)
    return image[y:y + side, x:x + side].copy()


def normalise(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Returns the network's input [3, h, w], in the arithmetic of the framework that the recipe resembles."""
    if recipe.value_range == 255:  # mmcls
        mean, std = (np.array(values, dtype=np.float64).reshape(1, -1) for values in (recipe.mean, recipe.std))
        planes = cv2.multiply(cv2.subtract(image.astype(np.float32), mean), 1 / std).transpose(2, 0, 1)
    elif image.dtype == np.float32:  # pycls
        planes = np.stack([(image[:, :, c] - recipe.mean[c]) / recipe.std[c] for c in range(3)])
    else:  # torchvision and timm
        planes = tvf.normalize(tvf.to_tensor(Image.fromarray(image)), list(recipe.mean), list(recipe.std)).numpy()
    return np.ascontiguousarray(planes[::-1] if recipe.channels == "bgr" else planes, dtype=np.float32)


def grey(image: np.ndarray) -> np.ndarray:
    """Returns float32 grey levels of an image in bytes or in 0..1."""
    return (image.astype(np.float64) * (255 if image.dtype == np.float32 else 1)).astype(np.float32)


def preprocess(path: Path, recipe: Recipe) -> dict[str, np.ndarray]:
    """Returns every step of the preprocessing; throws if an unchanged preset ends otherwise than in presets.py."""
    if recipe.crop > recipe.resize or recipe.crop < 1:
        raise ValueError(f"crop {recipe.crop}: expected 1 to the resized short side, {recipe.resize}")
    decoded = decode(path, recipe)
    resized = resize(decoded, recipe)
    cropped = crop(resized, recipe)
    normalised = normalise(cropped, recipe)
    if recipe == RECIPES.get(recipe.name) and not np.array_equal(normalised, PRESETS[recipe.name](decoded)):
        raise ValueError(f"{recipe.name}: the steps here give another input than presets.py")
    return {"decoded": grey(decoded), "resized": grey(resized), "cropped": grey(cropped), "normalised": normalised[None]}


def holds_tensors(value: Any) -> bool:
    """Says whether a value read from a file is a state dict."""
    return isinstance(value, dict) and any(isinstance(item, torch.Tensor) for item in value.values())


def find_state(content: Any, key: str | None) -> Any:
    """Returns a torch file's weights: those of the key, of a usual entry, or the object itself."""
    for name in (key.split(".") if key else ()):
        if not isinstance(content, dict) or name not in content:
            raise ValueError(f"no entry {key!r}")
        content = content[name]
    if key or not isinstance(content, dict):
        return content
    # pycls tests the averaged weights when their error was the lower one.
    errors = (content.get("ema_err"), content.get("test_err"))
    ema, test = (error if isinstance(error, int | float) else 100 for error in errors)
    if holds_tensors(content.get("ema_state")) and ema < test:
        return content["ema_state"]
    for name in WEIGHTS_KEYS:
        entry = content.get(name)
        if isinstance(entry, dict):
            entry = next((entry[inner] for inner in WEIGHTS_KEYS if holds_tensors(entry.get(inner))), entry)
        if holds_tensors(entry):
            return entry
    return content


class _Ignored:
    """Stands for whatever a file builds besides tensors."""

    def __init__(self, *_arguments: Any, **_named: Any) -> None:
        """Forgets its arguments; so do all others."""

    def _forget(self, *_arguments: Any) -> None:
        """Forgets what a pickle adds to it."""

    __setstate__ = __setitem__ = append = extend = add = _forget


class _Reader(pickle.Unpickler):
    """An unpickler that knows tensors and dicts, and calls nothing else that a file names."""

    KNOWN = frozenset({("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter"),
                       ("torch", "Size"), ("collections", "OrderedDict")})

    def find_class(self, module: str, name: str) -> Any:
        """Returns a class of the list, or the stand-in; torch itself knows the storages."""
        return super().find_class(module, name) if (module, name) in self.KNOWN else _Ignored


def read_torch(path: Path) -> Any:
    """Reads a torch file."""
    reader = types.ModuleType("reader")
    reader.Unpickler = _Reader
    reader.load = lambda stream, **options: _Reader(stream, **options).load()
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)


def read_weights(path: Path, key: str | None) -> tuple[State, dict[str, str]]:
    """Returns the tensors of a checkpoint, wrappers' prefixes removed, and its text metadata."""
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    else:
        found = find_state(read_torch(path), key)
        if not holds_tensors(found):
            raise ValueError("no weights" + (f" in {key!r}" if key else ""))
        state = {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise ValueError("no weights")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state, metadata


def canonical_state(state: State, framework: str) -> State:
    """Returns the tensors under their pycls names, in network order."""
    problems = []
    for naming in FRAMEWORKS[framework][0]:
        if rename("stem.conv.weight", naming) not in state:
            problems.append(f"no {rename('stem.conv.weight', naming)!r}")
            continue
        if squeeze := [name for name in state if ".se." in name or ".f.se" in name]:
            raise ValueError(f"{squeeze[0]!r}: squeeze and excitation (RegNetY) is not supported")
        try:
            return {name: state[rename(name, naming)] for name in canonical_names(state, naming)}
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(f"these are not {framework}'s names: {'; '.join(problems)}; found {min(state)!r} "
                     f"and {len(state) - 1} more")


@dataclass(frozen=True)
class Stage:
    """The numbers of one stage; `bottleneck` is the width inside a block."""

    depth: int
    width: int
    bottleneck: int
    group_width: int


@dataclass(frozen=True)
class Design:
    """A RegNetX, as its tensors' shapes tell it."""

    stem_width: int
    stages: tuple[Stage, ...]
    classes: int

    def words(self) -> str:
        """Returns the design as text."""
        columns = {"widths": "width", "depths": "depth", "group widths": "group_width"}
        if any(stage.bottleneck != stage.width for stage in self.stages):
            columns["bottleneck widths"] = "bottleneck"
        lists = [title + " " + " ".join(str(getattr(stage, field)) for stage in self.stages)
                 for title, field in columns.items()]
        return ", ".join([f"RegNetX: stem width {self.stem_width}", *lists])


def infer_design(state: State) -> Design:
    """Reads the design off the shapes; throws when a tensor is missing or of the wrong rank."""
    def shape(name: str, rank: int) -> torch.Size:
        if name not in state:
            raise ValueError(f"{name} (pycls name) is missing")
        if state[name].dim() != rank:
            raise ValueError(f"{name} (pycls name): expected {rank} dimensions, found {list(state[name].shape)}")
        return state[name].shape

    def stages() -> Iterator[Stage]:
        s = 1
        while f"s{s}.b1.f.a.weight" in state:
            first = f"s{s}.b1.f."
            depth = sum(name.startswith(f"s{s}.b") and name.endswith(".f.a.weight") for name in state)
            yield Stage(depth, width=shape(first + "c.weight", 4)[0], bottleneck=shape(first + "a.weight", 4)[0],
                        group_width=shape(first + "b.weight", 4)[1])
            s += 1

    design = Design(shape("stem.conv.weight", 4)[0], tuple(stages()), shape("head.fc.weight", 2)[0])
    if not design.stages:
        raise ValueError("no stages")
    for s, stage in enumerate(design.stages, 1):
        if min(stage.width, stage.bottleneck, stage.group_width) < 1 or stage.bottleneck % stage.group_width:
            raise ValueError(f"stage {s}: {stage} is no RegNetX stage")
    return design


class _TimmRegNet(timm_regnet.RegNet):
    """timm's network with the stages given instead of generated."""

    def __init__(self, design: Design) -> None:
        self.given = design.stages
        super().__init__(timm_regnet.RegNetCfg(stem_width=design.stem_width), num_classes=design.classes)

    def _get_stage_args(self, cfg: timm_regnet.RegNetCfg, **options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Takes what is common to all stages from timm, and puts the given stages in place of timm's."""
        _, common = super()._get_stage_args(replace(cfg, depth=13, w0=24, wa=36.44, wm=2.49, group_size=8), **options)
        return [{"out_chs": stage.width, "stride": 2, "dilation": 1, "depth": stage.depth,
                 "bottle_ratio": stage.bottleneck / stage.width, "group_size": stage.group_width,
                 "drop_path_rates": [0.0] * stage.depth} for stage in self.given], common



def build(design: Design) -> dict[str, nn.Module]:
    """Returns the networks of this design by library; timm has only those of four stages."""
    params = tv_regnet.BlockParams(depths=[stage.depth for stage in design.stages],
                                   widths=[stage.width for stage in design.stages],
                                   group_widths=[stage.group_width for stage in design.stages],
                                   bottleneck_multipliers=[stage.bottleneck / stage.width for stage in design.stages],
                                   strides=[2] * len(design.stages))
    models: dict[str, nn.Module] = {
        "torchvision": tv_regnet.RegNet(params, num_classes=design.classes, stem_width=design.stem_width)}
    if len(design.stages) == 4:
        models["timm"] = _TimmRegNet(design)
    return models


def stages_of(model: nn.Module, library: str, count: int) -> dict[str, nn.Module]:
    """Returns the modules whose outputs are dumped."""
    place = "s{}" if library == "timm" else "trunk_output.block{}"
    return {"stem": model.stem} | {f"s{s}": model.get_submodule(place.format(s)) for s in range(1, count + 1)}


def run(model: nn.Module, library: str, state: State, count: int, x: np.ndarray) -> dict[str, np.ndarray]:
    """Loads the weights strictly and returns the float64 outputs of stem, stages and classifier."""
    try:
        model.load_state_dict({rename(name, library): value for name, value in state.items()}, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise ValueError("the weights do not fit their design: " + " ".join(lines[1:2] or lines)) from error
    model.double().eval()
    outputs: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: outputs.__setitem__(name, output.numpy().copy())

    for name, module in stages_of(model, library, count).items():
        module.register_forward_hook(keep(name))
    with torch.inference_mode():
        outputs["logits"] = model(torch.from_numpy(x).double()).numpy()
    return outputs


def forward(state: State, design: Design, x: np.ndarray) -> dict[str, np.ndarray]:
    """Returns stem, stages and logits in float64 after comparing the libraries."""
    results = {library: run(model, library, state, len(design.stages), x) for library, model in build(design).items()}
    first, *others = results.values()
    for name, value in first.items():
        if not np.isfinite(value.astype(np.float32)).all():
            raise ValueError(f"{name} is not finite in float32")
        for other in others:
            if np.abs(other[name] - value).max() > AGREEMENT * np.abs(value).max():
                raise ValueError(f"{name}: timm and torchvision disagree")
    return first


def choose_recipe(arguments: argparse.Namespace, metadata: dict[str, str]) -> Recipe:
    """Returns the preset that was asked for, else the file's own, else the framework's, with the sizes asked for."""
    if arguments.preset is None and "regnet.preset" in metadata:
        recipe = recipe_from_metadata(metadata["regnet.preset"])
    else:
        recipe = RECIPES[arguments.preset or FRAMEWORKS[arguments.framework][1]]
    sizes = {key: value for key in ("resize", "crop") if (value := getattr(arguments, key)) is not None}
    return replace(recipe, **sizes)


def dump(arguments: argparse.Namespace) -> str:
    """Writes the folder; returns what it holds in words."""
    out: Path = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an empty folder")
    for path in (arguments.image, arguments.weights):
        if not path.is_file():
            raise ValueError(f"{path} is not a file")
    try:
        state, metadata = read_weights(arguments.weights, arguments.weights_key)
        canonical = canonical_state(state, arguments.framework)
        design = infer_design(canonical)
    except Exception as error:  # noqa: BLE001 (damaged pickles raise whatever they like)
        raise ValueError(f"{arguments.weights}: {error or type(error).__name__}") from error
    recipe = choose_recipe(arguments, metadata)
    arrays = preprocess(arguments.image, recipe)
    try:
        arrays |= forward(canonical, design, arrays["normalised"])
    except ValueError as error:
        raise ValueError(f"{arguments.weights}: {error}") from error

    out.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(out / f"{name}.npy", np.ascontiguousarray(array, dtype="<f4"))
    image = "image" + arguments.image.suffix
    (out / image).write_bytes(arguments.image.read_bytes())
    reference = {"framework": arguments.framework, "preset": recipe.name, "recipe": asdict(recipe), "image": image,
                 "model": design.words(), "classes": design.classes,
                 "versions": {"torch": torch.__version__, "pillow": PIL.__version__, "opencv": cv2.__version__,
                              "torchvision": torchvision.__version__, "timm": timm.__version__}}
    (out / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")
    return f"{design.words()}, {design.classes} classes; {recipe.name}, crop {recipe.crop}; {len(arrays)} arrays in {out}"


def main() -> int:
    """Parses the command line; prints one line, on stderr and with exit code 2 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", required=True, choices=FRAMEWORKS, help="whose tensor names and decoder")
    parser.add_argument("--preset", choices=PRESETS, help="default: the file's own (metadata), else the framework's")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--weights-key", metavar="KEY", help="the entry of a torch file that holds the weights")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--resize", type=int, help="short side after resizing instead of the preset's")
    parser.add_argument("--crop", type=int, help="side of the centre crop instead of the preset's")
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="a folder that is new or empty")
    try:
        print(dump(parser.parse_args()))
    except (OSError, ValueError) as error:
        print("dump_stages.py: " + " ".join(str(error).split())[:400], file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
