"""Writes the seeds of the fuzz targets: small files as the original libraries write them. Usage: seeds.py TESTS_FUZZ_CORPUS_DIR

What fuzzing found beside them (tools/fuzz.sh --merge) stays in the same folders under other names. Needs tools/golden/requirements.txt.
"""

import io
import struct
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image

SMALLEST = {  # shapes of the smallest network that every check lets pass: one stage of one block, all of width 1
    "stem.conv.weight": (1, 3, 3, 3), "stem.bn": 1, "s1.b1.proj.weight": (1, 1, 1, 1), "s1.b1.bn": 1, "s1.b1.f.a.weight": (1, 1, 1, 1),
    "s1.b1.f.a_bn": 1, "s1.b1.f.b.weight": (1, 1, 3, 3), "s1.b1.f.b_bn": 1, "s1.b1.f.c.weight": (1, 1, 1, 1), "s1.b1.f.c_bn": 1,
    "head.fc.weight": (2, 1), "head.fc.bias": (2,)}


class Stranger:
    """A class that no reader knows."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Names a function that must never be called."""
        return print, ("called",)


def smallest_network() -> OrderedDict[str, torch.Tensor]:
    """Returns a state dict with pycls names, all views of one storage."""
    flat, state, at = torch.arange(1, 200, dtype=torch.float32) / 128, OrderedDict(), 0
    for name, shape in SMALLEST.items():
        parts = {name: shape} if isinstance(shape, tuple) else {
            f"{name}.{part}": (shape,) for part in ("weight", "bias", "running_mean", "running_var")}
        for key, extents in parts.items():
            count = int(np.prod(extents))
            state[key] = flat[at:at + count].view(extents)
            at += count
    return state


def objects() -> dict[str, Any]:
    """Returns what is saved in both of torch's containers."""
    flat = torch.arange(12, dtype=torch.float32)
    views = {"a": flat[:6].view(2, 3).t(), "b": flat[3:5].expand(2, 2), "c": flat, "p": torch.nn.Parameter(flat[:1])}
    types = {str(dtype)[6:]: torch.ones(2).to(dtype) for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
                                                                   torch.int16, torch.int8, torch.uint8, torch.bool)}
    network = smallest_network()
    network._metadata = OrderedDict({"": {"version": 1}})
    pycls = {"epoch": 99, "model_state": network, "ema_state": {"w": flat}, "test_err": 27.5, "ema_err": 27.4, "cfg": "MODEL:\n  TYPE: regnet\n"}
    mmcls = {"meta": {"CLASSES": ("tench", "goldfish"), "epoch": 100, "best": np.float64(72.5), "hook": Stranger()},
             "state_dict": {"module." + key: value for key, value in network.items()}, "optimizer": {"state": {0: {"momentum_buffer": flat}}}}
    vissl = {"classy_state_dict": {"base_model": {"model": {"trunk": {"_feature_blocks.conv1.stem.0.weight": flat}, "heads": {}}}}}
    return {"views": views, "types": types, "pycls": pycls, "mmcls": mmcls, "vissl": vissl}


def saved(value: Any, **options: Any) -> bytes:
    """Returns a file of torch.save."""
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def deflated(archive: bytes) -> bytes:
    """Returns the same archive with compressed entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return stream.getvalue()


def zip64() -> bytes:
    """Returns an archive whose entry is written with a ZIP64 field."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target, target.open("a", "w", force_zip64=True) as entry:
        entry.write(b"0123456789")
    return stream.getvalue()


def pictures() -> dict[str, Image.Image]:
    """Returns an image of each mode."""
    x, y = np.meshgrid(np.arange(19), np.arange(13))
    rgb = Image.fromarray(np.stack([x * 13, y * 19, x * y], axis=-1).astype(np.uint8))
    images = {mode.lower(): rgb.convert(mode) for mode in ("RGB", "L", "CMYK", "RGBA", "P", "1", "LA")}
    images["grey16"] = Image.fromarray((x * 3000).astype(np.uint16))
    return images


def exif(orientation: int) -> bytes:
    """Returns an EXIF block with an orientation."""
    return b"Exif\0\0" + struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)


def image_seeds() -> dict[str, dict[str, bytes]]:
    """Returns PNG and JPEG files."""
    found: dict[str, dict[str, bytes]] = {"png": {}, "jpeg": {}}

    def add(kind: str, name: str, image: Image.Image, **options: Any) -> None:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        found[kind][name] = stream.getvalue()

    for name, image in pictures().items():
        if name != "cmyk":
            add("png", name, image)
    rgb = pictures()["rgb"]
    add("png", "transparent", rgb.convert("P"), transparency=3)
    add("png", "exif", rgb, exif=exif(6))
    for sampling in (0, 1, 2):
        add("jpeg", f"sampling{sampling}", rgb, subsampling=sampling)
    add("jpeg", "progressive", rgb, progressive=True)
    add("jpeg", "restarts", rgb, restart_marker_blocks=1)
    add("jpeg", "grey", rgb.convert("L"))
    add("jpeg", "cmyk", rgb.convert("CMYK"))
    add("jpeg", "exif", rgb, exif=exif(6))
    return found


LABELS = {"numbers": b"a.jpg 3\nb.jpg 4\n", "wnids": b"# comment\nval/a.JPEG,n01440764\r\n\nb.png\tn15075141\n", "broken": b"a.jpg\n",
          "twice": b"a.jpg 1\na.jpg 2\n"}


def main() -> None:
    """Writes all seeds."""
    folders: dict[str, dict[str, bytes]] = {"zip": {"zip64": zip64()}, "torch_zip": {}, "legacy": {}, "pickle": {}, "safetensors": {}, "labels": LABELS}
    folders |= image_seeds()
    for name, value in objects().items():
        for protocol in (2, 4):
            archive = saved(value, pickle_protocol=protocol)
            with zipfile.ZipFile(io.BytesIO(archive)) as file:
                folders["pickle"][f"{name}-{protocol}"] = file.read("archive/data.pkl")
        folders["torch_zip"][name] = archive
        folders["torch_zip"][f"{name}-deflated"] = deflated(archive)
        folders["legacy"][name] = saved(value, _use_new_zipfile_serialization=False)
    folders["zip"] |= {name: folders["torch_zip"][name] for name in ("views", "views-deflated")}
    types = {key: value.contiguous() for key, value in objects()["types"].items()}
    folders["safetensors"]["types"] = safetensors.torch.save(types, metadata={"format": "pt"})
    folders["safetensors"]["network"] = safetensors.torch.save({key: value.clone() for key, value in smallest_network().items()},
                                                               metadata={"regnet.classes": '["a", "b"]'})
    folders["safetensors"]["empty"] = safetensors.torch.save({})
    for folder, seeds in folders.items():
        path = Path(sys.argv[1]) / folder
        path.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (path / f"seed-{name}").write_bytes(content)
        print(folder, len(seeds), "seeds,", sum(map(len, seeds.values())), "bytes")


if __name__ == "__main__":
    main()
