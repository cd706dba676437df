#!/usr/bin/env python3
"""Trains a small RegNetX on Fashion-MNIST and writes the demo/ directory.

In:  the four idx.gz files of Fashion-MNIST (Debian package dataset-fashion-mnist).
Out: weights (safetensors), 1,000 test images (PNG), their reference results (JSON).
"""
import argparse
import gzip
import io
import json
import math
import pathlib
import time

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

DESIGN = {"w0": 24, "wa": 16, "wm": 2, "d": 8, "g": 16}
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
           "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
RESOLUTION, MEAN, STD = 64, 0.286, 0.353
PRESET = {"name": "fashion-mnist", "resize": RESOLUTION, "crop": RESOLUTION,
          "interpolation": "pillow-bilinear", "crop_offset": "half-even", "channels": "rgb",
          "value_range": 1, "mean": [MEAN] * 3, "std": [STD] * 3}
IMAGES_PER_CLASS, LOGITS_PER_CLASS = 100, 2
NEAR_TIE = 1e-3


# ---- design -----------------------------------------------------------------------------------

def to_stages(w0, wa, wm, d, g):
    """The quantised linear rule of the RegNet paper: [(width, depth, group width)] per stage.

    np.rint and round() both go half to even; rounding half up gives other networks.
    """
    assert w0 > 0 and w0 % 8 == 0 and wa >= 0 and wm > 1
    u = w0 + wa * np.arange(d, dtype=np.float64)       # one width per block on a line
    s = np.rint(np.log(u / w0) / np.log(wm))           # nearest power of w_m
    widths = (np.rint(w0 * np.power(wm, s) / 8) * 8).astype(int)
    stages = []
    for width, depth in zip(*np.unique(widths, return_counts=True)):
        group = min(g, int(width))                     # a group is never wider than the stage
        width = max(group, round(int(width) / group) * group)
        stages.append((width, int(depth), group))
    return stages


# ---- network: parameter names are pycls's ------------------------------------------------------

def conv(w_in, w_out, k=1, stride=1, groups=1):
    return nn.Conv2d(w_in, w_out, k, stride, padding=k // 2, groups=groups, bias=False)


class Stem(nn.Module):
    def __init__(self, w_out):
        super().__init__()
        self.conv, self.bn = conv(3, w_out, 3, stride=2), nn.BatchNorm2d(w_out)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 in groups, 1x1; no ReLU after c, it follows the sum."""

    def __init__(self, w_in, w_out, stride, group_width):
        super().__init__()
        self.a, self.a_bn = conv(w_in, w_out), nn.BatchNorm2d(w_out)
        self.b = conv(w_out, w_out, 3, stride, groups=w_out // group_width)
        self.b_bn = nn.BatchNorm2d(w_out)
        self.c, self.c_bn = conv(w_out, w_out), nn.BatchNorm2d(w_out)

    def forward(self, x):
        x = F.relu(self.a_bn(self.a(x)))
        x = F.relu(self.b_bn(self.b(x)))
        return self.c_bn(self.c(x))


class Block(nn.Module):
    def __init__(self, w_in, w_out, stride, group_width):
        super().__init__()
        self.proj = None
        if w_in != w_out or stride != 1:
            self.proj, self.bn = conv(w_in, w_out, stride=stride), nn.BatchNorm2d(w_out)
        self.f = Bottleneck(w_in, w_out, stride, group_width)

    def forward(self, x):
        shortcut = x if self.proj is None else self.bn(self.proj(x))
        return F.relu(shortcut + self.f(x))


class Head(nn.Module):
    def __init__(self, w_in, classes):
        super().__init__()
        self.fc = nn.Linear(w_in, classes)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


class RegNetX(nn.Sequential):
    def __init__(self, stages, classes, stem_width=32):
        super().__init__()
        self.stem = Stem(stem_width)
        w_in = stem_width
        for i, (width, depth, group_width) in enumerate(stages, 1):
            stage = nn.Sequential()
            for j in range(1, depth + 1):
                stage.add_module(f"b{j}", Block(w_in, width, 2 if j == 1 else 1, group_width))
                w_in = width
            self.add_module(f"s{i}", stage)
        self.head = Head(w_in, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):               # He, by fan-out
                fan_out = m.kernel_size[0] ** 2 * m.out_channels // m.groups
                nn.init.normal_(m.weight, 0, math.sqrt(2 / fan_out))
            elif isinstance(m, Bottleneck):            # every block starts as its shortcut
                nn.init.zeros_(m.c_bn.weight)


# ---- data --------------------------------------------------------------------------------------

def read_idx(path):
    data = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def resize(image):
    """Pillow image -> RGB uint8 [H, W, 3] at the network's resolution."""
    size = (RESOLUTION, RESOLUTION)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))


def load(directory, split):
    """Resized images uint8 [N, 1, H, W] (one channel: all three are equal) and labels [N]."""
    images = read_idx(directory / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(directory / f"{split}-labels-idx1-ubyte.gz")
    resized = np.stack([resize(Image.fromarray(i))[:, :, 0] for i in images])
    return torch.from_numpy(resized)[:, None], torch.from_numpy(labels.astype(np.int64))


def normalise(x):
    """uint8 [N, 1, H, W] -> float32 [N, 3, H, W], as the preset says."""
    x = (x.float() / 255 - MEAN) / STD
    return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def augment(x, shift=5, erase=20):
    """Per image: a shift of up to `shift` pixels, a mirror, half the time an erased rectangle."""
    n, _, h, w = x.shape
    x = F.pad(x, [shift] * 4)
    rows = torch.arange(h) + torch.randint(0, 2 * shift + 1, (n, 1))
    columns = torch.arange(w) + torch.randint(0, 2 * shift + 1, (n, 1))
    columns = torch.where(torch.rand(n, 1) < 0.5, columns, columns.flip(1))
    x = x[torch.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]]

    def span(size):
        start = torch.randint(-erase // 2, size - erase // 2, (n, 1))
        length = torch.randint(erase // 3, erase + 1, (n, 1)) * (torch.rand(n, 1) < 0.7)
        at = torch.arange(size)
        return (at >= start) & (at < start + length)

    erased = span(h)[:, :, None] & span(w)[:, None, :]
    return x.masked_fill(erased, 0)[:, None]


# ---- training ----------------------------------------------------------------------------------

def train(model, images, labels, epochs, batch, lr, weight_decay):
    """Returns the exponential moving average of the weights: SGD, one cosine, no early stop."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD([{"params": decayed, "weight_decay": weight_decay},
                                 {"params": plain, "weight_decay": 0}],
                                lr=lr, momentum=0.9, nesterov=True)
    steps = len(images) // batch * epochs
    warm_up = steps // 20
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: (i + 1) / warm_up
        if i < warm_up else 0.5 * (1 + math.cos(math.pi * (i - warm_up) / (steps - warm_up))))
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    start = time.time()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        chunks = torch.randperm(len(images)).split(batch)
        for chunk in chunks[:len(images) // batch]:
            x = normalise(augment(images[chunk]))
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(x)
            loss = F.cross_entropy(logits.float(), labels[chunk], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            ema.update_parameters(model)
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}  loss {total * batch / len(images):.4f}  "
              f"{(time.time() - start) / 60:.1f} min", flush=True)
    # Running statistics belong to the weights of their step; averaging both loses accuracy, so
    # they are measured again for the averaged weights, in float32 (pycls: "precise BN").
    sample = torch.randperm(len(images))[:20_000].split(250)
    update_bn((normalise(augment(images[chunk])) for chunk in sample), ema.module)
    return ema.module


@torch.no_grad()
def logits_of(model, images, batch=250):
    model.eval()
    return torch.cat([model(normalise(chunk)) for chunk in images.split(batch)])


def hits(logits, labels, k=1):
    return int((logits.topk(k).indices == labels[:, None]).any(1).sum())


# ---- export ------------------------------------------------------------------------------------

def smallest_png(image):
    """Lossless bytes of the shortest encoding that Pillow can make."""
    def encode(strategy):
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=9, compress_type=strategy)
        return buffer.getvalue()
    return min(map(encode, range(5)), key=len)


def write_images(out, test_images, test_labels):
    """The first images of every class in test-set order, so nothing picks the easy ones."""
    paths = []
    for label in range(len(CLASSES)):
        for index in np.flatnonzero(test_labels == label)[:IMAGES_PER_CLASS]:
            path = out / "images" / str(label) / f"{index:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(smallest_png(Image.fromarray(test_images[index])))
            paths.append(path)
    return paths


def write_weights(path, model):
    state = {k: v.contiguous() for k, v in model.state_dict().items()
             if not k.endswith("num_batches_tracked")}
    safetensors.torch.save_file(state, path, metadata={
        "format": "pt",
        "regnet.model": ",".join(f"{k}={v}" for k, v in DESIGN.items()),
        "regnet.resolution": str(RESOLUTION),
        "regnet.classes": json.dumps(CLASSES),
        "regnet.preset": json.dumps(PRESET, separators=(",", ":"))})


def write_reference(out, model, paths, test_set_top1):
    """Reads the PNG files back: the reference is of the committed bytes, in float32."""
    images = np.stack([resize(Image.open(p))[:, :, 0] for p in paths])
    logits = logits_of(model, torch.from_numpy(images)[:, None])
    labels = torch.tensor([int(p.parent.name) for p in paths])
    top = logits.topk(2).values
    ties = int((top[:, 0] - top[:, 1] < NEAR_TIE).sum())
    names = [p.relative_to(out).as_posix() for p in paths]
    shown = [i for i in range(len(paths)) if i % IMAGES_PER_CLASS < LOGITS_PER_CLASS]
    reference = {"n": len(paths), "top1_correct": hits(logits, labels),
                 "top5_correct": hits(logits, labels, 5), "test_set_top1": test_set_top1,
                 "logits": {names[i]: [float(v) for v in logits[i]] for i in shown}}
    text = json.dumps(reference, indent=1)
    (out / "reference.json").write_text(text + "\n")
    print({k: v for k, v in reference.items() if k != "logits"}, f"near ties: {ties}")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--out", type=pathlib.Path, default="demo")
    p.add_argument("--epochs", type=int, default=24)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--lr", type=float, default=0.2)
    p.add_argument("--weight-decay", type=float, default=5e-4)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--holdout", type=int, default=0,
                   help="score on this many training images instead, write nothing")
    args = p.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)

    images, labels = load(args.data, "train")
    stages = to_stages(**DESIGN)
    model = RegNetX(stages, len(CLASSES)).to(memory_format=torch.channels_last)
    print(stages, sum(p.numel() for p in model.parameters()), "parameters")
    kept = len(images) - args.holdout
    model = train(model, images[:kept], labels[:kept], args.epochs, args.batch, args.lr,
                  args.weight_decay)
    if args.holdout:
        held = hits(logits_of(model, images[kept:]), labels[kept:])
        print(f"held out: {held} of {args.holdout}")
        return

    test_images, test_labels = load(args.data, "t10k")
    test_set_top1 = hits(logits_of(model, test_images), test_labels)
    raw = read_idx(args.data / "t10k-images-idx3-ubyte.gz")
    paths = write_images(args.out, raw, test_labels.numpy())
    write_weights(args.out / "regnetx_fashion.safetensors", model)
    write_reference(args.out, model, paths, test_set_top1)


if __name__ == "__main__":
    main()
