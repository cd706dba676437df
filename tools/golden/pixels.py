"""Golden network inputs and resized images, from sources that a formula gives (`noise` and `smooth` in synthetic.py)."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import timm
import torchvision
from PIL import Image

import compact_json
from presets import PRESETS
from synthetic import noise, smooth, uniform

SAMPLES = 600
# Landscape, portrait, upscaled, smaller than the crop, no resize needed, extreme; width x height.
SOURCES = [("noise", 500, 375), ("smooth", 375, 500), ("noise", 640, 480), ("smooth", 225, 225),
           ("noise", 97, 61), ("smooth", 1024, 700), ("noise", 256, 300), ("smooth", 33, 500)]
RESIZES = [((17, 13), (9, 7)), ((9, 7), (17, 13)), ((31, 40), (16, 11)), ((64, 48), (64, 20)), ((5, 5), (1, 1)),
           ((1, 1), (4, 4)), ((28, 28), (64, 64))]
FORMULAS = {"noise": noise, "smooth": smooth}


def encoded(array: np.ndarray) -> str:
    """Returns the array's bytes, little-endian and row-major, in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def preset_case(preset: str, kind: str, width: int, height: int) -> dict[str, Any]:
    """Returns sampled values of one preset's network input."""
    tensor = PRESETS[preset](FORMULAS[kind](width, height))
    if tensor.shape != (3, 224, 224) or tensor.dtype != np.float32:
        raise ValueError(f"{preset} gave {tensor.dtype} {tensor.shape}")
    positions = np.floor(uniform("sample", SAMPLES) * tensor.size).astype(np.int64)
    return {"preset": preset, "image": kind, "width": width, "height": height,
            "mean": float(f"{tensor.astype(np.float64).mean():.9g}"),
            "values": compact_json.shortest32(tensor.ravel()[positions])}


def resize_case(source: tuple[int, int], target: tuple[int, int]) -> dict[str, Any]:
    """Returns a noise image resized by every resizer that a preset uses."""
    image = noise(*source)
    pillow = Image.fromarray(image)
    case = {"from": list(source), "to": list(target),
            "pillow_bilinear_u8": encoded(np.asarray(pillow.resize(target, Image.Resampling.BILINEAR))),
            "pillow_bicubic_u8": encoded(np.asarray(pillow.resize(target, Image.Resampling.BICUBIC))),
            "cv2_linear_u8": encoded(cv2.resize(image, target, interpolation=cv2.INTER_LINEAR))}
    if target[0] * target[1] < 4096:  # keeps the file small
        single = cv2.resize(image.astype(np.float32), target, interpolation=cv2.INTER_LINEAR)
        case["cv2_linear_f32"] = encoded(single.astype("<f4"))
    return case


def write_preprocess(directory: Path) -> None:
    """Writes preprocess.json."""
    compact_json.write(directory / "preprocess.json", {
        "about": "cases: float32 network input [3, 224, 224] in the channel order that the network sees; value j is at "
                 "flat position floor(u('sample', j) * size). resize: noise images [h, w, 3] RGB, base64 of the bytes "
                 "(f32: little-endian, source values 0..255, absent for the largest); sizes are [width, height]. Images and u: "
                 "tools/golden/synthetic.py.",
        "pillow": PIL.__version__, "opencv": cv2.__version__, "timm": timm.__version__,
        "torchvision": torchvision.__version__, "samples": SAMPLES, "size": 3 * 224 * 224,
        "cases": [preset_case(preset, *source) for source in SOURCES for preset in PRESETS],
        "resize": [resize_case(*sizes) for sizes in RESIZES]})
