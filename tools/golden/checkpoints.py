"""A tiny RegNetX in every published spelling, container, wrapping and memory layout, with the logits of each file.

All files hold the synthetic weights of `synthetic.py` unless the index says otherwise. The design numbers are
w0=8, wa=6, wm=1.45, d=5, g=8: widths 8 16 24 32, depths 1 2 1 1 (the exponent 1 is skipped, which the generator allows).
"""

import io
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm.models.regnet as timm_regnet
import torch
import torchvision.models.regnet as tv_regnet
from torch import nn

import compact_json
from legacy_order import with_stable_keys
from names import canonical_names, rename
from synthetic import synthetic

W0, WA, WM, DEPTH, GROUP_WIDTH, CLASSES, RESOLUTION, BATCH = 8, 6.0, 1.45, 5, 8, 5, 32, 2
WIDTHS, DEPTHS = [8, 16, 24, 32], [1, 2, 1, 1]
NAMINGS = ("pycls", "mmcls", "mmcls-bare", "timm", "torchvision", "transformers")
CONTAINERS = {"torch-zip": "-zip.pth", "torch-legacy": "-legacy.pth", "safetensors": ".safetensors"}
WITHOUT_COUNTERS = ("mmcls-bare", "transformers")
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64}
COUNTER = 1234  # what every num_batches_tracked holds
EVIL_COMMAND = "touch regnet-evil-was-executed"
EXPANDED = "s1.b1.f.a_bn.bias"

PYCLS_CFG = """\
MODEL:
  NUM_CLASSES: 5
  TYPE: regnet
REGNET:
  BOT_MUL: 1.0
  DEPTH: 5
  GROUP_W: 8
  SE_ON: false
  STEM_W: 32
  W0: 8
  WA: 6.0
  WM: 1.45
TEST:
  IM_SIZE: 36
TRAIN:
  IM_SIZE: 32
"""

State = OrderedDict[str, Any]


class Evil:
    """An object whose pickle asks the reader to run a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        """Names posix.system as the function that rebuilds this object."""
        return os.system, (EVIL_COMMAND,)


def tiny_timm(classes: int = CLASSES) -> nn.Module:
    """Returns timm's network of the design."""
    cfg = timm_regnet.RegNetCfg(depth=DEPTH, w0=W0, wa=WA, wm=WM, group_size=GROUP_WIDTH)
    return timm_regnet.RegNet(cfg, num_classes=classes)


def tiny_torchvision(classes: int = CLASSES) -> nn.Module:
    """Returns torchvision's network of the design."""
    params = tv_regnet.BlockParams.from_init_params(depth=DEPTH, w_0=W0, w_a=WA, w_m=WM, group_width=GROUP_WIDTH)
    return tv_regnet.RegNet(params, num_classes=classes, norm_layer=nn.BatchNorm2d)


def canonical_state(stream: str = "") -> State:
    """Returns the synthetic weights under their pycls names, counters included."""
    stored = tiny_timm().state_dict()
    state: State = OrderedDict()
    for name in canonical_names(stored, "timm"):
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(COUNTER)
        else:
            state[name] = torch.from_numpy(synthetic(name, tuple(stored[rename(name, "timm")].shape), stream))
    return state


def spelled(state: State, naming: str) -> State:
    """Returns the state with the framework's names."""
    return OrderedDict((rename(name, naming), value) for name, value in state.items())


def without_counters(state: State) -> State:
    """Returns the state without num_batches_tracked."""
    return OrderedDict((name, value) for name, value in state.items() if not name.endswith("num_batches_tracked"))


def with_metadata(state: State) -> State:
    """Attaches the `_metadata` that nn.Module.state_dict() leaves on its result (a BUILD in the pickle)."""
    modules = sorted({name.rpartition(".")[0] for name in state} | {""})
    state._metadata = OrderedDict((module, {"version": 2 if "bn" in module else 1}) for module in modules)
    return state


def cast(state: State, dtype: torch.dtype) -> State:
    """Returns the state with every floating tensor converted."""
    return OrderedDict((k, v.to(dtype) if v.is_floating_point() else v) for k, v in state.items())


def with_views(state: State) -> State:
    """Returns equal values in awkward layouts: one flat storage, transposed, channels-last; one tensor is expanded."""
    floating = [name for name in state if state[name].is_floating_point()]
    total = sum(state[name].numel() for name in floating)
    flat = torch.full((total + 7,), torch.nan)
    result, offset = OrderedDict(state), 7
    for name in floating:
        value = state[name]
        view = flat[offset:offset + value.numel()]
        if value.dim() == 4 and value.shape[2] == 3 and name != "stem.conv.weight":
            result[name] = value.contiguous(memory_format=torch.channels_last)
        elif value.dim() == 4 and value.shape[2] == 1 or value.dim() == 2:
            view.copy_(value.transpose(0, 1).reshape(-1))
            swapped = (value.shape[1], value.shape[0], *value.shape[2:])
            result[name] = view.view(swapped).transpose(0, 1)
        else:
            view.copy_(value.reshape(-1))
            result[name] = view.view(value.shape)
        offset += value.numel()
    result[EXPANDED] = torch.tensor([0.125]).expand(state[EXPANDED].shape)
    return result


def wrapped(state: State, naming: str) -> tuple[Any, str]:
    """Returns the object that a real file of this naming holds and the key under which its weights are."""
    if naming == "pycls":
        momentum = {i: {"momentum_buffer": torch.full((4, 3), 0.5)} for i in range(2)}
        groups = [{"lr": 0.1, "momentum": 0.9, "nesterov": True, "params": [0, 1]}]
        return {"epoch": 99, "model_state": with_metadata(state), "cfg": PYCLS_CFG,
                "optimizer_state": {"state": momentum, "param_groups": groups}}, "model_state"
    if naming == "mmcls":
        meta = {"env_info": "sys.platform: linux\nPyTorch: 1.8.1", "seed": 42, "epoch": 100, "iter": 125200,
                "mmcv_version": "1.4.2", "mmcls_version": "0.18.0", "time": "Mon Dec 13 15:21:00 2021",
                "CLASSES": ("tench", "goldfish", "great white shark", "tiger shark", "hammerhead"),
                "best_accuracy": np.float64(72.56), "hook_msgs": {}}
        return {"meta": meta, "state_dict": state}, "state_dict"
    if naming == "mmcls-bare":
        return {"state_dict": state}, "state_dict"
    return with_metadata(state), ""


def save(path: Path, value: Any, container: str, **options: Any) -> None:
    """Writes the file; the same value gives the same bytes on every run."""
    if container == "safetensors":
        safetensors.torch.save_file({k: v.contiguous() for k, v in value.items()}, path, metadata={"format": "pt"})
        path.chmod(0o644)
    elif container == "torch-zip":
        torch.save(value, path, **options)
    else:
        stream = io.BytesIO()
        torch.save(value, stream, _use_new_zipfile_serialization=False, **options)
        # Files from before NumPy 2 name its scalars in numpy.core; the published ones do.
        data = stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
        # They were also saved from a GPU, so the storages name a device that is not here.
        data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
        path.write_bytes(with_stable_keys(data))


def logits_of(state: State, naming: str, prefix: str) -> list[list[float]]:
    """Returns the float64 logits of the synthetic input for a state as read back from its file."""
    read = {key.removeprefix(prefix): value for key, value in state.items()}
    models = [(tiny_timm(), "timm"), (tiny_torchvision(), "torchvision")]
    x = torch.from_numpy(synthetic("input", (BATCH, 3, RESOLUTION, RESOLUTION))).double()
    results = []
    for model, target in models:
        model = model.double().eval()
        renamed = {rename(name, target): read[rename(name, naming)] for name in canonical_names(read, naming)}
        model.load_state_dict(renamed, strict=True)
        with torch.inference_mode():
            results.append(model(x).numpy())
    widths = [models[0][0].get_submodule(f"s{s}.b1.conv3.conv").out_channels for s in range(1, 5)]
    if widths != WIDTHS or [len(list(models[0][0].get_submodule(f"s{s}").children())) for s in range(1, 5)] != DEPTHS:
        raise ValueError("the design numbers give another network")
    if np.abs(results[0] - results[1]).max() > 1e-9:
        raise ValueError("timm and torchvision disagree on the tiny network")
    return [compact_json.digits9(row) for row in results[0]]


class Folder:
    """Writes checkpoints into one directory and keeps their index."""

    def __init__(self, path: Path) -> None:
        """Starts an empty index for the directory."""
        self.path = path
        self.rows: list[dict[str, Any]] = []
        path.mkdir(parents=True, exist_ok=True)

    def add(self, file: str, value: Any, naming: str, container: str, weights_key: str = "", *, dtype: str = "f32",
            prefix: str = "", note: str = "", evil: bool = False, **options: Any) -> dict[str, Any]:
        """Writes a file, reads it back with its own library and records the logits of what was read."""
        save(self.path / file, value, container, **options)
        if container == "safetensors":
            value = safetensors.torch.load_file(self.path / file)
        elif not evil:
            value = torch.load(self.path / file, map_location="cpu", weights_only=False)
        state = value[weights_key] if weights_key else value
        row = {"file": file, "naming": naming, "container": container, "dtype": dtype, "weights_key": weights_key,
               "prefix": prefix, "counters": any(key.endswith("num_batches_tracked") for key in state),
               "note": note}
        if not any(isinstance(tensor, Evil) for tensor in state.values()):
            row["logits"] = logits_of(state, naming, prefix)
        self.rows.append(row)
        return row

    def write_index(self) -> None:
        """Writes index.json."""
        total = sum((self.path / row["file"]).stat().st_size for row in self.rows)
        print(f"checkpoints: {len(self.rows)} files, {total} bytes")
        compact_json.write(self.path / "index.json", {
            "about": "logits: float64 forward of the stored values on the synthetic input of the batch",
            "widths": WIDTHS, "depths": DEPTHS, "group_width": GROUP_WIDTH, "classes": CLASSES,
            "design": {"w0": W0, "wa": WA, "wm": WM, "d": DEPTH, "g": GROUP_WIDTH},
            "resolution": RESOLUTION, "batch": BATCH, "counter": COUNTER, "torch": torch.__version__,
            "files": sorted(self.rows, key=lambda row: row["file"])})


def add_every_spelling(folder: Folder, state: State) -> None:
    """Adds each naming in each container, wrapped as the published files are."""
    for naming in NAMINGS:
        for container, ending in CONTAINERS.items():
            named = spelled(without_counters(state) if naming in WITHOUT_COUNTERS else state, naming)
            value, weights_key = (named, "") if container == "safetensors" else wrapped(named, naming)
            folder.add(f"{naming}{ending}", value, naming, container, weights_key)


def add_wrappings(folder: Folder, state: State) -> None:
    """Adds prefixes, nestings, EMA weights, other dtypes, memory layouts and pickle protocols."""
    module = OrderedDict(("module." + name, value) for name, value in reversed(spelled(state, "pycls").items()))
    folder.add("module-prefix.pth", {"state_dict": module}, "pycls", "torch-zip", "state_dict", prefix="module.",
               note="every key has the prefix module.; keys in reverse order")

    bare = without_counters(state)
    half = cast(bare, torch.float16)
    second = cast(without_counters(canonical_state("ema:")), torch.float16)
    ema = OrderedDict(("module." + name, value) for name, value in spelled(second, "timm").items())
    row = folder.add("ema.pth", {"state_dict": spelled(half, "timm"), "state_dict_ema": ema}, "timm", "torch-zip",
                     "state_dict", dtype="f16", note="ema_weights_key holds other weights: the stream 'ema:' of the synthetic "
                     "scheme, prefixed module.")
    row |= {"ema_weights_key": "state_dict_ema", "ema_logits": logits_of(ema, "timm", "module.")}

    folder.add("model-key.pth", {"model": spelled(bare, "timm")}, "timm", "torch-zip", "model")
    for name in ("f16", "bf16", "f64"):
        folder.add(f"{name}.pth", spelled(cast(bare, DTYPES[name]), "timm"), "timm", "torch-zip", dtype=name)
    folder.add("bf16.safetensors", spelled(cast(bare, torch.bfloat16), "timm"), "timm", "safetensors", dtype="bf16")
    folder.add("views.pth", spelled(with_views(bare), "timm"), "timm", "torch-zip",
               note="slices of one flat storage that starts with 7 NaN and has gaps, 1x1 convolutions and the classifier "
               f"transposed, 3x3 group convolutions channels-last, {EXPANDED} (pycls name) expanded from 0.125")

    learned = OrderedDict((name, value if "running" in name else nn.Parameter(value)) for name, value in bare.items())
    folder.add("parameters-protocol4.pth", spelled(learned, "timm"), "timm", "torch-zip", pickle_protocol=4,
               note="weights are nn.Parameter, pickle protocol 4")
    folder.add("protocol3.pth", dict(spelled(bare, "timm")), "timm", "torch-zip", pickle_protocol=3,
               note="a plain dict, pickle protocol 3")


def add_evil(folder: Folder, state: State) -> None:
    """Adds files whose pickle names posix.system: beside the weights, and in place of a tensor."""
    bare = spelled(cast(without_counters(state), torch.float16), "mmcls")
    folder.add("evil-meta.pth", {"meta": {"hook": Evil()}, "state_dict": bare}, "mmcls", "torch-zip", "state_dict",
               dtype="f16", evil=True, note="meta.hook calls posix.system; the weights are sound")
    broken = OrderedDict(bare)
    broken["backbone.layer2.0.conv2.weight"] = Evil()
    folder.add("evil-tensor.pth", {"state_dict": broken}, "mmcls", "torch-zip", "state_dict", dtype="f16",
               evil=True, note="backbone.layer2.0.conv2.weight is a call of posix.system; the file has to be refused")


def write_checkpoints(directory: Path) -> None:
    """Writes checkpoints/ with its index."""
    folder = Folder(directory / "checkpoints")
    state = canonical_state()
    add_every_spelling(folder, state)
    add_wrappings(folder, state)
    add_evil(folder, state)
    folder.write_index()
