"""RegNetX inference on CPUs: a checkpoint's path in, logits and likeliest classes out."""

from ._core import Design, Model, Prediction, Recipe, Session, Stage, design, load, models, version
from ._errors import ArgumentError, Error, MissingFileError

__version__ = version()
del version

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
