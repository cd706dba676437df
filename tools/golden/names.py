"""One tensor, seven spellings: from the canonical pycls name to what each framework calls it."""

import re
from collections.abc import Iterable
from pathlib import Path

BN_PARTS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

# A column per naming, a row per layer. {s} and {b} count from 1, {s0} and {b0} from 0, {s2} from 2.
LAYERS = ("stem.conv", "stem.bn", "proj", "bn", "f.a", "f.a_bn", "f.b", "f.b_bn", "f.c", "f.c_bn", "head.fc")
_MM = "layer{s}.{b0}."
_TV = "trunk_output.block{s}.block{s}-{b0}."
_HF = "regnet.encoder.stages.{s0}.layers.{b0}."
_VISSL = "_feature_blocks.res{s2}.block{s}-{b0}."
_BARE = ("conv1", "bn1", _MM + "downsample.0", _MM + "downsample.1", _MM + "conv1", _MM + "bn1", _MM + "conv2",
         _MM + "bn2", _MM + "conv3", _MM + "bn3", "fc")
_COLUMNS = {
    "pycls": tuple(f"s{{s}}.b{{b}}.{layer}" if layer[:4] not in ("stem", "head") else layer for layer in LAYERS),
    "mmcls": tuple("backbone." + layer for layer in _BARE[:-1]) + ("head.fc",),
    "mmcls-bare": _BARE,
    "timm": ("stem.conv", "stem.bn", "s{s}.b{b}.downsample.conv", "s{s}.b{b}.downsample.bn", "s{s}.b{b}.conv1.conv",
             "s{s}.b{b}.conv1.bn", "s{s}.b{b}.conv2.conv", "s{s}.b{b}.conv2.bn", "s{s}.b{b}.conv3.conv",
             "s{s}.b{b}.conv3.bn", "head.fc"),
    "torchvision": ("stem.0", "stem.1", _TV + "proj.0", _TV + "proj.1", _TV + "f.a.0", _TV + "f.a.1", _TV + "f.b.0",
                    _TV + "f.b.1", _TV + "f.c.0", _TV + "f.c.1", "fc"),
    "transformers": ("regnet.embedder.embedder.convolution", "regnet.embedder.embedder.normalization",
                     _HF + "shortcut.convolution", _HF + "shortcut.normalization", _HF + "layer.0.convolution",
                     _HF + "layer.0.normalization", _HF + "layer.1.convolution", _HF + "layer.1.normalization",
                     _HF + "layer.2.convolution", _HF + "layer.2.normalization", "classifier.1"),
    # The trunk and the heads are two dicts: the last name is one of the heads, all others are of the trunk.
    "vissl": ("_feature_blocks.conv1.stem.0", "_feature_blocks.conv1.stem.1", _VISSL + "proj", _VISSL + "bn",
              _VISSL + "f.a.0", _VISSL + "f.a.1", _VISSL + "f.b.0", _VISSL + "f.b.1", _VISSL + "f.c",
              _VISSL + "f.final_bn", "0.clf.0"),
}
SPELLINGS = {naming: dict(zip(LAYERS, column, strict=True)) for naming, column in _COLUMNS.items()}


def rename(name: str, naming: str) -> str:
    """Returns what the framework calls the tensor with this pycls name."""
    match = re.fullmatch(r"(?:s(\d+)\.b(\d+)\.)?(.+)\.(\w+)", name)
    if match is None or match[3] not in LAYERS:
        raise ValueError(f"not a pycls tensor name: {name!r}")
    s, b = int(match[1] or 1), int(match[2] or 1)
    return SPELLINGS[naming][match[3]].format(s=s, b=b, s0=s - 1, b0=b - 1, s2=s + 1) + "." + match[4]


def canonical_names(keys: Iterable[str], naming: str) -> list[str]:
    """Returns the pycls names of all keys of a state dict in network order; throws if a key is not accounted for."""
    keys = set(keys)

    def present(layer: str) -> list[str]:
        parts = ("weight", "bias") if layer == "head.fc" else BN_PARTS if layer.endswith("bn") else ("weight",)
        return [name for part in parts if rename(name := f"{layer}.{part}", naming) in keys]

    names, s = present("stem.conv") + present("stem.bn"), 1
    while present(f"s{s}.b1.f.a"):
        b = 1
        while present(f"s{s}.b{b}.f.a"):
            for layer in LAYERS[2:-1]:
                names += present(f"s{s}.b{b}.{layer}")
            b += 1
        s += 1
    names += present("head.fc")
    if unknown := keys - {rename(name, naming) for name in names}:
        raise ValueError(f"keys without a pycls name: {sorted(unknown)[:5]}")
    return names


def check_against_table(path: Path) -> int:
    """Compares `rename` with a tab-separated table (pycls, shape, mmcls, timm, torchvision); returns its row count."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for pycls, _, mmcls, timm, torchvision in rows:
        expected = {"pycls": pycls, "mmcls": mmcls, "timm": timm, "torchvision": torchvision.split(" ")[0]}
        for naming, spelling in expected.items():
            if rename(pycls, naming) != spelling:
                raise ValueError(f"{naming} spells {pycls} as {spelling}, the table here as {rename(pycls, naming)}")
    return len(rows)
