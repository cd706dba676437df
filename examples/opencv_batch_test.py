"""The pixels that OpenCV decodes give the answers that regnet's own decoder gives. Usage: opencv_batch_test.py OPENCV_BATCH REGNET SOURCE_DIR"""

import json
import pathlib
import subprocess
import sys


def main() -> int:
    opencv_batch, regnet, source = sys.argv[1:]
    weights = f"{source}/demo/regnetx_fashion.safetensors"
    images = [str(image) for image in sorted(pathlib.Path(source, "demo/images").glob("*/*0.png"))]
    # The demo's pictures are grey; these show an exchange of red and blue, and have other sizes.
    images += [f"{source}/tests/golden/images/{name}.png" for name in ("rgb", "rgba", "interlaced", "palette")]
    expected = json.loads(subprocess.run([regnet, "predict", "-q", "-o", "json", "--top", "1", "--weights", weights, *images], check=True, stdout=subprocess.PIPE).stdout)
    lines = subprocess.run([opencv_batch, weights, *images], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    assert len(lines) == len(images) == len(expected) > 100, (len(lines), len(images))
    for line, answer in zip(lines, expected):
        best = answer["top"][0]
        probability, rest = line.split(" ", 1)
        assert rest == f"{best['name']}  {answer['image']}", (line, best)
        # A batch may sum in another order than one image does, and six digits are printed.
        assert abs(float(probability) - best["probability"]) < 5e-6, (line, best)
    refused = subprocess.run([opencv_batch, weights, images[0], f"{source}/README.md"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert refused.returncode == 2 and refused.stdout == "" and "OpenCV reads no picture there" in refused.stderr, refused
    print(f"{len(images)} pictures have the answers of regnet predict")
    return 0


if __name__ == "__main__":
    sys.exit(main())
