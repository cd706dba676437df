"""The five preprocessing presets, done by the original libraries: an RGB image in, the network's input [3, h, w] out.

pycls and mmcls themselves are not needed: both are a few lines around OpenCV, repeated here. OpenCV's own resize is
used, not the closed IPP one that its x86 builds prefer for float images: that one differs by up to 0.008 grey levels.
"""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
from PIL import Image
from torchvision.models import RegNet_X_400MF_Weights

cv2.ipp.setUseIPP(False)

MEAN_RGB = (0.485, 0.456, 0.406)
STD_RGB = (0.229, 0.224, 0.225)
MEAN_BGR_255 = np.array([103.53, 116.28, 123.675])
STD_BGR_255 = np.array([57.375, 57.12, 58.395])

_TORCHVISION = {"torchvision-v1": RegNet_X_400MF_Weights.IMAGENET1K_V1.transforms(),
                "torchvision-v2": RegNet_X_400MF_Weights.IMAGENET1K_V2.transforms()}
_TIMM = timm.data.create_transform(**timm.data.resolve_data_config(
    {}, pretrained_cfg=timm.get_pretrained_cfg("regnetx_004.pycls_in1k").to_dict()))


def pycls(rgb: np.ndarray) -> np.ndarray:
    """Short side 256 by float32 bilinear, crop offset rounded up; BGR."""
    im = rgb.astype(np.float32) / 255
    h, w = im.shape[:2]
    if w < h and w != 256:
        im = cv2.resize(im, (256, int(h / w * 256)))
    elif h <= w and h != 256:
        im = cv2.resize(im, (int(w / h * 256), 256))
    h, w = im.shape[:2]
    x, y = math.ceil((w - 224) / 2), math.ceil((h - 224) / 2)
    im = im[y:y + 224, x:x + 224].copy()
    for c in range(3):
        im[:, :, c] = im[:, :, c] - MEAN_RGB[c]
        im[:, :, c] = im[:, :, c] / STD_RGB[c]
    return np.ascontiguousarray(im[:, :, ::-1].transpose(2, 0, 1))


def mmcls(rgb: np.ndarray) -> np.ndarray:
    """Short side 256 by fixed-point bilinear on uint8, crop offset rounded half to even; BGR on the 0..255 scale."""
    im = np.ascontiguousarray(rgb[:, :, ::-1])
    h, w = im.shape[:2]
    if min(h, w) != 256:
        size = (256, int(256 * h / w)) if w < h else (int(256 * w / h), 256)
        im = cv2.resize(im, size, interpolation=cv2.INTER_LINEAR)
    h, w = im.shape[:2]
    x, y = round((w - 224) / 2), round((h - 224) / 2)
    im = im[y:y + 224, x:x + 224].astype(np.float32)
    cv2.subtract(im, MEAN_BGR_255.reshape(1, -1), im)
    cv2.multiply(im, 1 / STD_BGR_255.reshape(1, -1), im)
    return np.ascontiguousarray(im.transpose(2, 0, 1))


def _pil(transform: Callable[[Image.Image], torch.Tensor]) -> Callable[[np.ndarray], np.ndarray]:
    """Turns a transform of PIL images into one of arrays."""
    return lambda rgb: transform(Image.fromarray(rgb)).numpy()


PRESETS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pycls": pycls,
    "mmcls": mmcls,
    "torchvision-v1": _pil(_TORCHVISION["torchvision-v1"]),
    "torchvision-v2": _pil(_TORCHVISION["torchvision-v2"]),
    "timm": _pil(_TIMM),
}
READS_WITH_CV2 = ("pycls", "mmcls")
RESIZES_IN_FLOAT = ("pycls",)


def read_rgb(path: Path, preset: str) -> np.ndarray:
    """Decodes a file as the preset's library does: OpenCV applies EXIF orientation, Pillow does not."""
    if preset in READS_WITH_CV2:
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ValueError(f"OpenCV cannot decode {path}")
        return np.ascontiguousarray(bgr[:, :, ::-1])
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def grey_levels(tensor: np.ndarray, preset: str) -> np.ndarray:
    """Undoes the normalisation of [..., 3, h, w]: values on the 0..255 scale, in double."""
    mean, std = (np.array(values, dtype=np.float64).reshape(3, 1, 1) * 255 for values in (MEAN_RGB, STD_RGB))
    if preset in READS_WITH_CV2:
        mean, std = mean[::-1], std[::-1]
    return tensor.astype(np.float64) * std + mean
