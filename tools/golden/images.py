"""Small image files of every kind that a data set holds, with the pixels that Pillow and OpenCV decode from them."""

import base64
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
from PIL import Image, ImageChops

import compact_json
from synthetic import noise, smooth

WIDTH, HEIGHT = 37, 29  # odd, so that subsampled chroma has a partial last column and row


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """Returns the image as a JPEG file of quality 90."""
    stream = BytesIO()
    image.save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def png(image: Image.Image, **options: Any) -> bytes:
    """Returns the image as a PNG file."""
    stream = BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def with_marker(file: bytes, marker: int, payload: bytes) -> bytes:
    """Inserts a segment directly after a JPEG's start-of-image marker."""
    return file[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + file[2:]


def cmyk(image: Image.Image) -> Image.Image:
    """Returns a CMYK image with some black ink, which Pillow stores inverted and with an Adobe marker."""
    c, m, y = (ImageChops.invert(band) for band in image.split())
    k = Image.fromarray(smooth(image.width, image.height)[:, :, 2] // 4)
    return Image.merge("CMYK", (c, m, y, k))


def ycck(image: Image.Image) -> bytes:
    """Returns an Adobe YCCK file: the components of YCbCr and black, stored as CMYK, then declared transform 2."""
    inks = cmyk(image)
    c, m, y, k = inks.split()
    bands = Image.merge("RGB", (c, m, y)).convert("YCbCr").split()
    file = jpeg(Image.merge("CMYK", (*(ImageChops.invert(band) for band in bands), k)))
    end = file.index(b"Adobe") + 11  # version, flags0, flags1, each two bytes, precede the transform byte
    if file[end] != 0:
        raise ValueError("expected an Adobe marker with transform 0")
    return file[:end] + b"\x02" + file[end + 1:]


def chunk(kind: bytes, data: bytes) -> bytes:
    """Returns one PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced_png(rgb: np.ndarray) -> bytes:
    """Returns an Adam7 interlaced PNG without filters, which Pillow reads but does not write."""
    height, width, _ = rgb.shape
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = [b"\0" + row.tobytes() for x, y, dx, dy in passes for row in rgb[y::dy, x::dx] if row.size]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows), 9)) + \
        chunk(b"IEND", b"")


def oriented(orientation: int) -> bytes:
    """Returns a 16x8 JPEG, stored with a red left and blue right half, that carries an EXIF orientation."""
    rgb = np.zeros((8, 16, 3), dtype=np.uint8)
    rgb[:, :8, 0] = 255
    rgb[:, 8:, 2] = 255
    rgb[:2, :, 1] = 128  # marks the stored top, so that mirrored orientations differ
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(Image.fromarray(rgb), subsampling=0, exif=exif)


def jpeg_files() -> dict[str, bytes]:
    """Returns the JPEG files by name."""
    image = Image.fromarray(smooth(WIDTH, HEIGHT))
    grey = image.convert("L")
    plain = jpeg(image, subsampling=2)
    files = {
        "420.jpg": plain,
        "422.jpg": jpeg(image, subsampling=1),
        "444.jpg": jpeg(image, subsampling=0),
        "noise-420.jpg": jpeg(Image.fromarray(noise(WIDTH, HEIGHT)), subsampling=2),
        "grey.jpg": jpeg(grey),
        "progressive.jpg": jpeg(image, subsampling=2, progressive=True),
        "restart.jpg": jpeg(image, subsampling=2, restart_marker_blocks=2),
        "cmyk.jpg": jpeg(cmyk(image)),
        "ycck.jpg": ycck(image),
        "rgb-adobe.jpg": jpeg(image, keep_rgb=True),
        "one-pixel.jpg": jpeg(image.crop((0, 0, 1, 1))),
        "exif-broken.jpg": with_marker(plain, 0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xf0broken"),
        "exif-invalid-orientation.jpg": oriented(0),
        "truncated.jpg": plain[:len(plain) * 2 // 3],
        "trailing-garbage.jpg": plain + b"garbage after the end of the image",
    }
    return files | {f"exif-{i}.jpg": oriented(i) for i in range(1, 9)}


def png_files() -> dict[str, bytes]:
    """Returns the PNG files by name."""
    rgb = smooth(WIDTH, HEIGHT)
    image = Image.fromarray(rgb)
    grey = image.convert("L")
    alpha = Image.fromarray(rgb[:, :, 1])
    deep = rgb[:, :, 0].astype(np.uint16) * 256 + np.arange(WIDTH, dtype=np.uint16) * 7 % 256
    plain = png(image)
    return {
        "rgb.png": plain,
        "rgba.png": png(Image.merge("RGBA", (*image.split(), alpha))),
        "grey.png": png(grey),
        "grey-alpha.png": png(Image.merge("LA", (grey, alpha))),
        "palette.png": png(image.quantize(16)),
        "palette-transparent.png": png(image.quantize(16), transparency=3),
        "grey16.png": png(Image.fromarray(deep)),
        "one-bit.png": png(grey.point(lambda v: 255 * (v > 127)).convert("1")),
        "interlaced.png": interlaced_png(rgb),
        "png-named.JPEG": plain,
        "truncated.png": plain[:len(plain) // 2],
    }


def reference(path: Path) -> dict[str, Any]:
    """Returns what Pillow decodes, and OpenCV's colour image where that differs in size or in any pixel."""
    row: dict[str, Any] = {}
    pixels = None
    try:
        with Image.open(path) as image:
            row = {"width": image.width, "height": image.height, "mode": image.mode}
            pixels = np.asarray(image.convert("RGB"))
        row["rgb"] = base64.b64encode(pixels.tobytes()).decode()
    except OSError:
        row["error"] = True
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        if pixels is not None:
            row["cv2"] = {"error": True}
    elif pixels is None or not np.array_equal(pixels, bgr[:, :, ::-1]):
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])
        row["cv2"] = {"width": rgb.shape[1], "height": rgb.shape[0], "rgb": base64.b64encode(rgb.tobytes()).decode()}
    return row


def write_images(directory: Path) -> None:
    """Writes images/ with its index."""
    folder = directory / "images"
    folder.mkdir(parents=True, exist_ok=True)
    files = jpeg_files() | png_files() | {"empty.jpg": b"", "text.jpg": b"This is not an image.\n"}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    print(f"images: {len(files)} files, {sum(map(len, files.values()))} bytes")
    compact_json.write(folder / "index.json", {
        "about": "rgb: base64 of the bytes [h, w, 3] of Pillow's convert('RGB') (EXIF ignored, alpha dropped); cv2: "
                 "OpenCV's IMREAD_COLOR where it differs, turned to RGB (EXIF applied)",
        "pillow": PIL.__version__, "opencv": cv2.__version__,
        "files": {name: reference(folder / name) for name in files}})
