"""Counter-based weights, inputs and images: the same numbers in Python and C++ without storing any of them.

    key(name) = FNV-1a 64 over the UTF-8 bytes of the canonical (pycls) tensor name
    z = key + (i + 1) * 0x9E3779B97F4A7C15          mod 2^64, i = flat row-major index in the PyTorch shape
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9        mod 2^64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB        mod 2^64
    z = z ^ (z >> 31)
    u = (z >> 40) * 2^-24                           exact double in [0, 1)

Values are evaluated in double exactly as written in `synthetic`, left to right, and rounded once to float32. A compiler
that contracts `0.2 + 0.2 * u` into a fused multiply-add may round the double differently (build with -ffp-contract=off).
BN counters (num_batches_tracked) are no part of the scheme.
"""

import math
from pathlib import Path

import numpy as np

import compact_json

FNV_OFFSET = 14695981039346656037
FNV_PRIME = 1099511628211
MASK = (1 << 64) - 1

# One tensor per rule, small but long enough to show the index order.
EXAMPLES = {
    "stem.conv.weight": (32, 3, 3, 3), "s2.b1.f.b.weight": (64, 16, 3, 3), "s1.b1.proj.weight": (24, 32, 1, 1),
    "stem.bn.weight": (32,), "s1.b1.f.c_bn.weight": (24,), "s1.b1.bn.bias": (24,), "s1.b1.f.a_bn.running_mean": (24,),
    "s1.b1.f.b_bn.running_var": (24,), "head.fc.weight": (10, 368), "head.fc.bias": (10,), "input": (2, 3, 5, 7),
}


def key(name: str) -> int:
    """Returns the 64-bit FNV-1a hash of the name."""
    value = FNV_OFFSET
    for byte in name.encode("utf-8"):
        value = ((value ^ byte) * FNV_PRIME) & MASK
    return value


def uniform(name: str, count: int, first: int = 0) -> np.ndarray:
    """Returns u(name, i) for i = first .. first + count - 1 as float64 in [0, 1)."""
    z = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    z *= np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(key(name))
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-24


def synthetic(name: str, shape: tuple[int, ...], stream: str = "") -> np.ndarray:
    """Returns the float32 tensor that the canonical name and the shape stand for; a stream prefixes the hashed name."""
    u = uniform(stream + name, math.prod(shape))
    if name == "input":
        value = 4.0 * u - 2.0
    elif name == "head.fc.weight":
        value = (2.0 * u - 1.0) * math.sqrt(3.0 / shape[1])
    elif name == "head.fc.bias":
        value = 0.2 * u - 0.1
    elif len(shape) == 4:
        value = (2.0 * u - 1.0) * math.sqrt(6.0 / (shape[1] * shape[2] * shape[3]))
    elif name.endswith("f.c_bn.weight"):
        value = 0.2 + 0.2 * u
    elif name.endswith("bn.weight"):
        value = 0.75 + 0.5 * u
    elif name.endswith("bn.bias"):
        value = 0.4 * u - 0.2
    elif name.endswith("bn.running_mean"):
        value = 0.6 * u - 0.3
    elif name.endswith("bn.running_var"):
        value = 0.5 + 1.5 * u
    else:
        raise ValueError(f"no synthetic rule for a tensor named {name!r}")
    return value.astype(np.float32).reshape(shape)


def noise(width: int, height: int) -> np.ndarray:
    """Returns the RGB image [h, w, 3] with channel c of pixel (x, y) = floor(256 * u("image", (y * w + x) * 3 + c))."""
    return np.floor(256.0 * uniform("image", width * height * 3)).astype(np.uint8).reshape(height, width, 3)


def smooth(width: int, height: int) -> np.ndarray:
    """Returns the RGB image of v = (7x + 13y + 50c + xy / 16) mod 512, folded: v < 256 ? v : 511 - v (integers only)."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    v = (7 * x + 13 * y + 50 * c + x * y // 16) % 512
    return np.where(v < 256, v, 511 - v).astype(np.uint8)


def write_synthetic(directory: Path) -> None:
    """Writes synthetic.json: keys, numbers and pixels by which another implementation can check itself."""
    tensors = []
    for name, shape in EXAMPLES.items():
        flat = synthetic(name, shape).ravel()
        tensors.append({"name": name, "shape": list(shape), "key": f"{key(name):#018x}",
                        "u": uniform(name, 4).tolist(), "first": compact_json.shortest32(flat[:4]),
                        "last": compact_json.shortest32(flat[-4:]), "sum": math.fsum(flat.tolist())})
    images = [{"image": formula.__name__, "width": 7, "height": 5, "pixels": formula(7, 5).ravel().tolist()}
              for formula in (noise, smooth)]
    compact_json.write(directory / "synthetic.json", {
        "about": "u: the first four; first, last: four float32 values of the flat tensor; sum: of all, in double; "
                 "pixels: [h, w, 3]", "tensors": tensors, "images": images})
