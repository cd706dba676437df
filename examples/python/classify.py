"""The likeliest classes of pictures: classify.py WEIGHTS IMAGE...   (needs Pillow)"""

import sys

import numpy as np
from PIL import Image

import regnet


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    weights, *paths = sys.argv[1:]
    try:
        model = regnet.load(weights, batch=len(paths))
        images = np.empty((len(paths), *model.input_shape), np.float32)
        for path, image in zip(paths, images):
            with Image.open(path) as picture:
                model.preprocess(picture.convert("RGB"), out=image)
        logits = model.session().run(images)
        for path, row in zip(paths, logits):
            print(path)
            for best in model.predictions(row, k=5):
                print(f"  {best.probability:7.2%}  {best.class_index:4}  {best.name}")
    except regnet.Error as error:
        print(f"classify.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
