"""RegNetX inference on CPUs: a checkpoint's path in, logits and likeliest classes out."""

from ._core import Design, Model, Prediction, Recipe, Session, Stage, __version__, design, load, models
from ._errors import ArgumentError, Error, MissingFileError

__all__ = [
    "ArgumentError",
    "Design",
    "Error",
    "MissingFileError",
    "Model",
    "Prediction",
    "Recipe",
    "Session",
    "Stage",
    "__version__",
    "design",
    "load",
    "models",
]
