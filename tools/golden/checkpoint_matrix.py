"""The full product of spellings, containers, dtypes and memory layouts of one tiny RegNetX, in one archive.

The network is that of `checkpoints.py` with 4 classes. Its weights are the synthetic ones rounded to few bits, so that
float16 and bfloat16 hold them exactly: every file of the product has the same values, and the archive stays small.
"""

import contextlib
import io
import lzma
import math
import sys
import tarfile
import tempfile
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm.models.regnet as timm_regnet
import torch

import compact_json
from checkpoints import (BATCH, COUNTER, DEPTH, DEPTHS, DTYPES, GROUP_WIDTH, NAMINGS, PYCLS_CFG, RESOLUTION, W0, WA,
                         WIDTHS, WITHOUT_COUNTERS, WM, State, cast, save, spelled, tiny_timm, tiny_torchvision,
                         with_metadata, without_counters, wrapped)
from legacy_order import with_stable_keys
from names import canonical_names, rename
from synthetic import synthetic, uniform

CLASSES = 4
CLASS_NAMES = ("tench", "goldfish", "great white shark", "tiger shark")
ALL_NAMINGS = (*NAMINGS, "vissl")
ENDINGS = {"torch-zip": "pth", "torch-legacy": "pth", "safetensors": "safetensors"}
LAYOUTS = ("contiguous", "transposed", "channels-last", "offset", "expanded")
FLAT_BIAS, FLAT_CONV = "s1.b1.f.a_bn.bias", "s2.b2.f.a.weight"  # one constant; one constant for each output channel
FIRST_GAP, GAP = 7, 3  # NaN before the first and between all other tensors of the layout offset
KERNEL_BITS, OTHER_BITS = 2, 4  # significant bits after the leading one of a tensor's largest value
# Of the entries beside data.pkl only `version` has always been there, and torch reads no file without it.
OLD_TORCH_LACKED = ("byteorder", ".format_version", ".storage_alignment", ".data/")
VISSL_KEY = "classy_state_dict.base_model.model"
DICTIONARY_BYTES = 64 << 20
HISTORY_MODULE = "mmengine.logging.history_buffer"


def rounded(values: np.ndarray, bits: int) -> torch.Tensor:
    """Returns the values on a grid of a power of two: so many bits below the leading one of the largest value."""
    step = 2.0 ** (math.floor(math.log2(np.abs(values).max())) - bits)
    return torch.from_numpy((np.round(values.astype(np.float64) / step) * step + 0.0).astype(np.float32))


def plain_state(stream: str = "", classes: int = CLASSES) -> State:
    """Returns the weights under their pycls names, contiguous float32, counters included."""
    stored = tiny_timm(classes).state_dict()
    state: State = OrderedDict()
    for name in canonical_names(stored, "timm"):
        shape = tuple(stored[rename(name, "timm")].shape)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(COUNTER)
            continue
        state[name] = rounded(synthetic(name, shape, stream), KERNEL_BITS if len(shape) == 4 else OTHER_BITS)
        if name == FLAT_BIAS:
            state[name] = torch.full(shape, float(state[name][0]) or 0.125)
        if name == FLAT_CONV:
            state[name] = state[name][:, :1].expand(shape).contiguous()
        for dtype in DTYPES.values():
            if not torch.equal(state[name].to(dtype).double(), state[name].double()):
                raise ValueError(f"{name} is not exact in {dtype}")
        if name.endswith("running_var") and not bool((state[name] > 0).all()):
            raise ValueError(f"{name} is not positive")
    return state


def logits_of(state: State) -> list[list[float]]:
    """Returns the float64 logits of the synthetic input; throws if timm and torchvision differ or they tell little."""
    x = torch.from_numpy(synthetic("input", (BATCH, 3, RESOLUTION, RESOLUTION))).double()
    results = []
    for model, target in ((tiny_timm(CLASSES), "timm"), (tiny_torchvision(CLASSES), "torchvision")):
        model = model.double().eval()
        model.load_state_dict(spelled(state, target), strict=True)
        with torch.inference_mode():
            results.append(model(x).numpy())
    if np.abs(results[0] - results[1]).max() > 1e-9:
        raise ValueError("timm and torchvision disagree")
    distances = np.abs(results[0].reshape(-1, 1) - results[0].reshape(1, -1)) + np.eye(results[0].size)
    if not np.isfinite(results[0]).all() or distances.min() < 1e-3:
        raise ValueError("logits are not finite or too much alike")
    return [compact_json.digits9(row) for row in results[0]]


def in_one_storage(state: State) -> State:
    """Returns all floating tensors as slices of one flat tensor with NaN before and between them."""
    floating = [(name, value) for name, value in state.items() if value.is_floating_point()]
    total = FIRST_GAP + sum(value.numel() for _, value in floating) + GAP * (len(floating) - 1)
    flat = torch.full((total,), torch.nan, dtype=floating[0][1].dtype)
    result, offset = OrderedDict(state), FIRST_GAP
    for name, value in floating:
        result[name] = flat[offset:offset + value.numel()].view(value.shape)
        result[name].copy_(value)
        offset += value.numel() + GAP
    return result


def laid_out(state: State, layout: str) -> State:
    """Returns equal values in another memory layout."""
    if layout == "offset":
        return in_one_storage(state)
    result = OrderedDict(state)
    for name, value in state.items():
        if layout == "transposed" and value.dim() in (2, 4):
            result[name] = value.transpose(0, 1).contiguous().transpose(0, 1)
        elif layout == "channels-last" and value.dim() == 4:
            result[name] = value.to(memory_format=torch.channels_last)
        elif layout == "expanded" and name == FLAT_BIAS:
            result[name] = value[:1].clone().expand(value.shape)
        elif layout == "expanded" and name == FLAT_CONV:
            result[name] = value[:, :1].clone().expand(value.shape)
    return result


def expected_strides(name: str, shape: torch.Size, layout: str) -> tuple[int, ...]:
    """Returns the strides in elements that a tensor has in the layout."""
    strides = torch.empty(shape).stride()
    if layout == "transposed" and len(shape) in (2, 4):
        inner = math.prod(shape[2:])
        return (inner, shape[0] * inner, *strides[2:])
    if layout == "channels-last" and len(shape) == 4:
        _, channels, height, width = shape
        return (channels * height * width, 1, channels * width, channels)
    if layout == "expanded" and name in (FLAT_BIAS, FLAT_CONV):
        return (0,) if name == FLAT_BIAS else (1, 0, 1, 1)
    return strides


def check_loaded(loaded: dict[str, Any], state: State, naming: str, dtype: str, layout: str) -> None:
    """Throws unless a state read back from its file has the plain values in the dtype and the memory layout."""
    if list(loaded) != [rename(name, naming) for name in state]:
        raise ValueError("other tensors or another order")
    offset, flat = FIRST_GAP, None
    for (name, plain), value in zip(state.items(), loaded.values(), strict=True):
        if value.dtype != (DTYPES[dtype] if plain.is_floating_point() else torch.int64) or value.shape != plain.shape:
            raise ValueError(f"{name} has another dtype or shape")
        if not torch.equal(value.double(), plain.double()):
            raise ValueError(f"{name} has other values")
        if value.stride() != expected_strides(name, plain.shape, layout):
            raise ValueError(f"{name} has strides {value.stride()}")
        if layout != "offset" or not plain.is_floating_point():
            continue
        flat = value.untyped_storage() if flat is None else flat
        if value.untyped_storage().data_ptr() != flat.data_ptr() or value.storage_offset() != offset:
            raise ValueError(f"{name} is not at {offset} of the shared storage")
        offset += plain.numel() + GAP
    if flat is not None:
        count = sum(plain.is_floating_point() for plain in state.values())
        missing = torch.tensor([], dtype=DTYPES[dtype]).set_(flat).isnan().sum()
        if missing != FIRST_GAP + GAP * (count - 1):
            raise ValueError("other NaN than those before and between the tensors")


def vissl(state: State) -> dict[str, Any]:
    """Returns what a VISSL file of the named state holds, with the trunk and the heads in a dict of their own."""
    trunk = OrderedDict((name, value) for name, value in state.items() if name.startswith("_feature_blocks."))
    heads = OrderedDict((name, value) for name, value in state.items() if name not in trunk)
    model = {"trunk": with_metadata(trunk), "heads": with_metadata(heads)}
    return {"phase_idx": 0, "iteration": 1000,
            "classy_state_dict": {"train": True, "base_model": {"model": model, "meta": {}}}}


def vissl_flat(state: State) -> State:
    """Returns the named state with the trunk and the heads in one dict, told apart by a prefix."""
    return OrderedDict((("trunk." if name.startswith("_feature_blocks.") else "heads.") + name, value)
                       for name, value in state.items())


def matrix_value(state: State, ema: State, naming: str) -> tuple[Any, str]:
    """Returns the object that a real torch file of this naming holds and where its weights are."""
    named = spelled(state, naming)
    if naming == "vissl":
        return vissl(named), VISSL_KEY
    value, weights_key = wrapped(named, naming)
    if naming == "pycls":
        value = {"epoch": value["epoch"], "test_err": 27.4, "ema_err": 27.5, "model_state": value["model_state"],
                 "ema_state": with_metadata(spelled(ema, naming)), "optimizer_state": value["optimizer_state"],
                 "cfg": PYCLS_CFG.replace("NUM_CLASSES: 5", f"NUM_CLASSES: {CLASSES}")}
    if naming == "mmcls":
        value["meta"]["CLASSES"] = CLASS_NAMES
    return value, weights_key


def states_in(value: Any, weights_key: str) -> list[dict[str, Any]]:
    """Returns the state, and the EMA state if there is one, of a file as read by torch."""
    found = value
    for key in weights_key.split(".") if weights_key else ():
        found = found[key]
    if weights_key == VISSL_KEY:
        timm_network = tiny_timm(CLASSES)
        timm_network.load_state_dict(timm_regnet._filter_fn(value), strict=True)
        found = {**found["trunk"], **found["heads"]}
    return [found] + ([value["ema_state"]] if weights_key == "model_state" else [])


def zip_bytes(value: Any, **options: Any) -> bytes:
    """Returns the torch zip file with the root folder `archive`."""
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def rezipped(data: bytes, compression: int, root: str, without: tuple[str, ...] = ()) -> bytes:
    """Returns the torch zip file as Python's zipfile writes it, less what `without` names below the root."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            inner = entry.filename.partition("/")[2]
            if not inner.startswith(without):
                info = zipfile.ZipInfo(f"{root}/{inner}")
                info.compress_type = compression
                new.writestr(info, old.read(entry))
    return stream.getvalue()


def variants(value: Any, naming: str) -> dict[str, tuple[str, bytes]]:
    """Returns for each further way to write the containers which container it is and the file."""
    data, legacy = zip_bytes(value), io.BytesIO()
    torch.save(value, legacy, _use_new_zipfile_serialization=False, pickle_protocol=4)
    return {"zip-deflated": ("torch-zip", rezipped(data, zipfile.ZIP_DEFLATED, f"{naming}.zip-deflated")),
            "zip-protocol4": ("torch-zip", zip_bytes(value, pickle_protocol=4)),
            "zip-no-root-extras": ("torch-zip", rezipped(data, zipfile.ZIP_STORED, "archive", OLD_TORCH_LACKED)),
            "legacy-protocol4": ("torch-legacy", with_stable_keys(legacy.getvalue()))}


class Matrix:
    """Writes checkpoints into one directory and keeps their index."""

    def __init__(self, path: Path) -> None:
        """Starts an empty index for the directory."""
        self.path = path
        self.state, self.ema = plain_state(), plain_state("ema:")
        self.rows: list[dict[str, Any]] = []
        self.special: list[dict[str, Any]] = []

    def stored_states(self, naming: str) -> list[State]:
        """Returns the plain weights and the plain EMA weights as far as files of the naming have them."""
        both = [self.state, self.ema]
        return [without_counters(state) for state in both] if naming in WITHOUT_COUNTERS else both

    def add(self, file: str, naming: str, container: str, dtype: str, layout: str, weights_key: str,
            variant: str = "") -> None:
        """Reads a torch file back, checks it and adds it to the index."""
        value = torch.load(self.path / file, map_location="cpu", weights_only=False)
        for loaded, plain in zip(states_in(value, weights_key), self.stored_states(naming)):
            check_loaded(loaded, plain, naming, dtype, layout)
        self.add_row(file, naming, container, dtype, layout, weights_key, variant)

    def add_row(self, file: str, naming: str, container: str, dtype: str, layout: str, weights_key: str,
                variant: str = "") -> None:
        """Adds a file to the index."""
        row = {"file": file, "naming": naming, "container": container, "dtype": dtype, "layout": layout,
               "weights_key": weights_key}
        self.rows.append(row | ({"variant": variant} if variant else {}))

    def add_torch(self, naming: str, dtype: str, layout: str) -> None:
        """Adds one point of the product in both torch containers, and the variants of the plainest."""
        stored = [laid_out(cast(state, DTYPES[dtype]), layout) for state in self.stored_states(naming)]
        value, weights_key = matrix_value(*stored, naming)
        for container in ("torch-zip", "torch-legacy"):
            file = f"{naming}.{container}.{dtype}.{layout}.{ENDINGS[container]}"
            if container == "torch-zip":
                (self.path / file).write_bytes(zip_bytes(value))
            else:
                save(self.path / file, value, container)
            self.add(file, naming, container, dtype, layout, weights_key)
        if (dtype, layout) == ("f32", "contiguous"):
            for variant, (container, data) in variants(value, naming).items():
                file = f"{naming}.{variant}.pth"
                (self.path / file).write_bytes(data)
                self.add(file, naming, container, dtype, layout, weights_key, variant)

    def add_safetensors(self, naming: str, dtype: str) -> None:
        """Adds one point of the product in safetensors, where VISSL's two dicts are two prefixes."""
        plain = self.stored_states(naming)[0]
        file = f"{naming}.safetensors.{dtype}.contiguous.{ENDINGS['safetensors']}"
        named = spelled(cast(plain, DTYPES[dtype]), naming)
        named = vissl_flat(named) if naming == "vissl" else named
        save(self.path / file, named, "safetensors")
        loaded = safetensors.torch.load_file(self.path / file)  # in another order
        if len(loaded) != len(named):
            raise ValueError("other tensors")
        ordered = {rename(name, naming): loaded[key] for name, key in zip(plain, named, strict=True)}
        check_loaded(ordered, plain, naming, dtype, "contiguous")
        self.add_row(file, naming, "safetensors", dtype, "contiguous", "")

    def add_special(self, name: str, value: Any, what: str) -> None:
        """Adds a file outside the product after reading it back."""
        file = f"special.{name}.pth"
        (self.path / file).write_bytes(zip_bytes(value))
        if list(torch.load(self.path / file, map_location="cpu", weights_only=False)) != list(value):
            raise ValueError(f"{file} reads back differently")
        self.special.append({"file": file, "what": what})

    def write_index(self) -> None:
        """Writes index.json."""
        compact_json.write(self.path / "index.json", {
            "about": "logits, ema_logits: float64 forward of the weights and of pycls' ema_state on the synthetic "
                     "input of the batch; every file of the product has the same weights",
            "widths": WIDTHS, "depths": DEPTHS, "group_width": GROUP_WIDTH, "classes": CLASSES,
            "design": {"w0": W0, "wa": WA, "wm": WM, "d": DEPTH, "g": GROUP_WIDTH},
            "resolution": RESOLUTION, "batch": BATCH, "counter": COUNTER, "torch": torch.__version__,
            "expanded": [FLAT_BIAS, FLAT_CONV], "logits": logits_of(self.state), "ema_logits": logits_of(self.ema),
            "files": sorted(self.rows, key=lambda row: row["file"]),
            "special": sorted(self.special, key=lambda row: row["file"])})


@contextlib.contextmanager
def history_buffer() -> Iterator[type]:
    """Provides a class of mmengine's name for as long as a file with its instances is written and read back."""
    parts = HISTORY_MODULE.split(".")
    modules = [".".join(parts[:i + 1]) for i in range(len(parts))]
    if present := [name for name in modules if name in sys.modules]:
        raise ValueError(f"{present[0]} is already imported")
    buffer = type("HistoryBuffer", (), {"__module__": HISTORY_MODULE})
    try:
        sys.modules.update((name, types.ModuleType(name)) for name in modules)
        sys.modules[HISTORY_MODULE].HistoryBuffer = buffer
        yield buffer
    finally:
        for name in modules:
            sys.modules.pop(name, None)


def add_mmengine(matrix: Matrix) -> None:
    """Adds a training checkpoint as mmengine's runner writes it."""
    meta = {"cfg": "model = dict(type='ImageClassifier')\n", "dataset_meta": {"classes": CLASS_NAMES}, "epoch": 100,
            "experiment_name": "regnetx_20240102_030405", "iter": 125200, "mmengine_version": "0.10.1", "seed": 42,
            "time": "20240102_050607"}
    optimizer = {"state": {0: {"momentum_buffer": torch.full((4, 3), 0.5)}},
                 "param_groups": [{"lr": 0.1, "momentum": 0.9, "initial_lr": 0.8, "params": [0]}]}
    schedulers = [{"start_factor": 0.25, "begin": 0, "end": 5, "by_epoch": True, "_global_step": 5, "verbose": False,
                   "_last_value": [np.float64(0.8)]}]
    with history_buffer() as buffer:
        loss = buffer()
        loss.__dict__ |= {"_max_length": 1000000, "_log_history": np.array([1.5, 1.25]),
                          "_count_history": np.array([1, 1]), "_statistics_methods": {}}
        hub = {"log_scalars": {"train/loss": loss}, "resumed_keys": {"loss": True},
               "runtime_info": {"epoch": np.int64(100), "iter": 125200, "best": np.float32(72.5)}}
        matrix.add_special("mmengine", {"meta": meta, "state_dict": spelled(matrix.state, "mmcls"), "message_hub": hub,
                                        "optimizer": optimizer, "param_schedulers": schedulers},
                           f"mmcls names; message_hub holds an instance of {HISTORY_MODULE}.HistoryBuffer, NumPy "
                           "scalars and arrays; optimizer and param_schedulers are there too; the weights are sound")


def add_ema(matrix: Matrix) -> None:
    """Adds EMA weights beside the weights, once with some of the entries prefixed."""
    named, second = (spelled(without_counters(state), "timm") for state in (matrix.state, matrix.ema))
    half = OrderedDict((f"module.{name}" if i % 2 else name, value) for i, (name, value) in enumerate(named.items()))
    matrix.add_special("half-prefixed", {"state_dict": half, "state_dict_ema": second},
                       "timm names; every second entry of state_dict is prefixed module., it has to be refused; "
                       "state_dict_ema is sound and has ema_logits")
    prefixed = OrderedDict((f"module.{name}", value) for name, value in second.items())
    matrix.add_special("ema-prefixed", {"state_dict": named, "state_dict_ema": prefixed},
                       "timm names; state_dict is sound and has no prefix, all entries of state_dict_ema are prefixed "
                       "module.; logits and ema_logits")


def add_other_networks(matrix: Matrix) -> None:
    """Adds networks that look like RegNetX in most of their names."""
    cfg = timm_regnet.RegNetCfg(depth=DEPTH, w0=W0, wa=WA, wm=WM, group_size=GROUP_WIDTH, se_ratio=0.25)
    regnety: State = OrderedDict()
    for name, value in timm_regnet.RegNet(cfg, num_classes=CLASSES).state_dict().items():
        numbers = uniform(name, value.numel()).reshape(tuple(value.shape))
        regnety[name] = rounded(0.5 + 0.5 * numbers, 1) if value.is_floating_point() else value
    matrix.add_special("regnety", regnety, "timm names; RegNetY: every block has se.fc1 and se.fc2; has to be refused")

    wide = OrderedDict(without_counters(matrix.state))
    for name, value in wide.items():
        if name.startswith("stem.") or name in ("s1.b1.proj.weight", "s1.b1.f.a.weight"):
            shape = {"stem.conv.weight": (64, 3, 7, 7)}.get(name, (64,) if value.dim() == 1 else (8, 64, 1, 1))
            wide[name] = rounded(synthetic(name, shape), 1)
    matrix.add_special("resnet-stem", spelled(wide, "torchvision"),
                       "torchvision names; the stem convolution is [64, 3, 7, 7], its norm and the inputs of s1.b1 are "
                       "64 wide; has to be refused")


def add_other_heads(matrix: Matrix) -> None:
    """Adds files without a classifier or with one that disagrees with the class names."""
    bare = without_counters(matrix.state)
    trunk = OrderedDict((name, value) for name, value in bare.items() if not name.startswith("head."))
    matrix.add_special("backbone", {"state_dict": spelled(trunk, "mmcls-bare")},
                       "mmcls-bare names; a backbone as mmdet starts from, without fc")

    value, _ = matrix_value(plain_state(classes=7), matrix.ema, "mmcls")
    matrix.add_special("class-names", value, "mmcls names; the classifier has 7 classes, meta.CLASSES 4 names")

    projection = {"0.projection_head.0": (48, 32), "0.projection_head.1": (48,), "0.projection_head.3": (16, 48),
                  "0.prototypes0": (20, 16)}
    named = spelled(trunk, "vissl")
    for name, shape in projection.items():
        named[f"{name}.weight"] = rounded(uniform(name, math.prod(shape)).reshape(shape), 1)
        if "prototypes" not in name:
            named[f"{name}.bias"] = torch.full(shape[:1], 0.25)
        if len(shape) == 1:
            named |= {f"{name}.running_mean": torch.zeros(shape), f"{name}.running_var": torch.ones(shape),
                      f"{name}.num_batches_tracked": torch.tensor(COUNTER)}
    matrix.add_special("seer", vissl(named),
                       "vissl names; the heads are a projection and prototypes as SwAV trains them, without classifier")


def pack(path: Path, archive: Path) -> None:
    """Packs the files below a directory; the same files give the same bytes on every run."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": DICTIONARY_BYTES}]
    with lzma.open(archive, "wb", filters=filters) as stream, \
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            data = file.read_bytes()
            info = tarfile.TarInfo(file.relative_to(path).as_posix())  # mtime, uid and gid 0, no user names
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def write_checkpoint_matrix(directory: Path) -> None:
    """Writes checkpoint_matrix.tar.xz, which holds its index as index.json."""
    archive = directory / "checkpoint_matrix.tar.xz"
    with tempfile.TemporaryDirectory() as temporary:
        matrix = Matrix(Path(temporary))
        for naming in ALL_NAMINGS:
            for dtype in DTYPES:
                for layout in LAYOUTS:
                    matrix.add_torch(naming, dtype, layout)
                matrix.add_safetensors(naming, dtype)
        add_mmengine(matrix)
        add_ema(matrix)
        add_other_networks(matrix)
        add_other_heads(matrix)
        matrix.write_index()
        pack(matrix.path, archive)
    print(f"{archive.name}: {len(matrix.rows)} + {len(matrix.special)} files, {archive.stat().st_size} bytes")
