"""The demo network and its pictures, for the tests beside this file."""

import pathlib

import numpy as np

import regnet

SOURCE = pathlib.Path(__file__).resolve().parents[2]
WEIGHTS = SOURCE / "demo/regnetx_fashion.safetensors"
BOOT = SOURCE / "demo/images/9/00000.png"
PICTURES = sorted(SOURCE.glob("demo/images/*/*.png"))


def load(**options) -> regnet.Model:
    return regnet.load(WEIGHTS, **options)


def inputs(model: regnet.Model, count: int) -> np.ndarray:
    """Different images, as the network wants them."""
    images = np.empty((count, *model.input_shape), np.float32)
    for picture, image in zip(PICTURES[:: len(PICTURES) // count], images):
        model.preprocess(picture.read_bytes(), out=image)
    return images
