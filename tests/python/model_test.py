"""What a model is and what it answers."""

import gc
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import demo
import numpy as np
from PIL import Image

import regnet


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.model = demo.load()

    def test_the_demo_has_947_of_its_1000_images_right(self) -> None:
        session = self.model.session(batch=100)
        right = 0
        for first in range(0, 1000, 100):
            pictures = demo.PICTURES[first : first + 100]
            images = np.stack([self.model.preprocess(picture.read_bytes()) for picture in pictures])
            found = session.run(images).argmax(axis=1)
            right += sum(int(picture.parent.name) == index for picture, index in zip(pictures, found))
        self.assertEqual(len(demo.PICTURES), 1000)
        self.assertEqual(right, 947)

    def test_a_boot_is_a_boot_in_every_form(self) -> None:
        with Image.open(demo.BOOT) as file:
            picture = file.convert("RGB")
        forms = [demo.BOOT.read_bytes(), picture, np.asarray(picture)]
        answers = [self.model.classify(form, k=3) for form in forms]
        self.assertEqual([p.name for p in answers[0]], ["Ankle boot", "Sandal", "Bag"])
        self.assertEqual([p.class_index for p in answers[0]], [9, 5, 8])
        self.assertAlmostEqual(answers[0][0].probability, 0.9214, places=4)
        for answer in answers[1:]:
            self.assertEqual([(p.class_index, p.logit, p.probability) for p in answer], [(p.class_index, p.logit, p.probability) for p in answers[0]])

    def test_pillow_and_regnet_decode_to_the_same_input(self) -> None:
        names = ("420.jpg", "444.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "exif-6.jpg", "rgb.png", "rgba.png", "interlaced.png", "palette.png", "grey16.png")
        for name in names:
            path = demo.SOURCE / "tests/golden/images" / name
            with Image.open(path) as picture:
                np.testing.assert_array_equal(self.model.preprocess(picture.convert("RGB")), self.model.preprocess(path.read_bytes()), err_msg=name)

    def test_the_steps_of_classify_by_hand_give_its_answer(self) -> None:
        session = self.model.session(batch=1)
        logits = session.run(self.model.preprocess(demo.BOOT.read_bytes())[None])
        by_hand = self.model.predictions(logits[0], k=10)
        self.assertEqual([(p.name, p.logit) for p in by_hand], [(p.name, p.logit) for p in self.model.classify(demo.BOOT.read_bytes(), k=10)])
        self.assertAlmostEqual(sum(p.probability for p in by_hand), 1)

    def test_more_predictions_than_classes_are_all_of_them(self) -> None:
        self.assertEqual(len(self.model.classify(demo.BOOT.read_bytes(), k=100)), 10)

    @unittest.skipUnless("REGNET_COMMAND" in os.environ, "no command to compare with: REGNET_COMMAND is not set")
    def test_the_command_gives_the_same_answers(self) -> None:
        pictures = demo.PICTURES[::20] + [demo.SOURCE / f"tests/golden/images/{name}" for name in ("rgb.png", "rgba.png", "palette.png", "444.jpg", "cmyk.jpg")]
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder, "logits.npy")
            command = [os.environ["REGNET_COMMAND"], "predict", "-q", "-o", "json", "--top", "3", "--weights", demo.WEIGHTS, "--logits", table, *pictures]
            images = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            expected = np.load(table)
        session = self.model.session(batch=1)
        logits = np.concatenate([session.run(self.model.preprocess(picture.read_bytes())[None]) for picture in pictures])
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-6)  # the command may come from another compiler
        for image, row in zip(images, logits):
            self.assertEqual([p.class_index for p in self.model.predictions(row, k=3)], [p["class"] for p in image["top"]], image)


class Facts(unittest.TestCase):
    def test_it_tells_what_was_loaded(self) -> None:
        model = demo.load()
        self.assertEqual(model.name, "w0=24,wa=16,wm=2,d=8,g=16")
        self.assertEqual(model.classes, 10)
        self.assertEqual(model.class_names[9], "Ankle boot")
        self.assertEqual(model.input_shape, (3, 64, 64))
        self.assertEqual(model.stages, regnet.design(model.name).stages)
        self.assertEqual((model.precision, model.warnings), ("f32", []))
        self.assertIn(model.backend, ("own", "onednn"))
        self.assertEqual((model.recipe.name, model.recipe_source), ("fashion-mnist", "stored in the file"))
        self.assertEqual((model.recipe.resize, model.recipe.crop, model.recipe.interpolation, model.recipe.channels), (64, 64, "pillow-bilinear", "rgb"))
        self.assertAlmostEqual(model.recipe.mean[0], 0.286, places=6)
        self.assertEqual(repr(model), "Model('w0=24,wa=16,wm=2,d=8,g=16', classes=10)")

    def test_options_choose(self) -> None:
        model = demo.load(preset="pycls", backend="reference", model="w0=24,wa=16,wm=2,d=8,g=16", classes=10)
        self.assertEqual((model.input_shape, model.recipe.name, model.recipe_source, model.backend), ((3, 224, 224), "pycls", "chosen", "reference"))

    def test_a_session_is_what_load_was_told_to_expect_unless_told_otherwise(self) -> None:
        model = demo.load(batch=4, threads=1)
        self.assertEqual((model.session().batch, model.session().threads), (4, 1))
        self.assertEqual((model.session(batch=2, threads=2).batch, model.session(batch=2, threads=2).threads), (2, 2))

    def test_backends_agree(self) -> None:
        rows = []
        for backend in ("own", "onednn", "reference"):
            model = demo.load(backend=backend)
            rows.append(model.session().run(model.preprocess(demo.BOOT.read_bytes())[None])[0])
        np.testing.assert_allclose(rows[0], rows[2], atol=2e-5)
        np.testing.assert_allclose(rows[1], rows[2], atol=2e-5)


class Lives(unittest.TestCase):
    def test_a_session_outlives_its_model_and_results_outlive_both(self) -> None:
        model = demo.load()
        images = demo.inputs(model, 4)
        expected = model.session(batch=4).run(images).copy()
        session = model.session(batch=4)
        del model
        gc.collect()
        found = session.run(images)
        del session, images
        gc.collect()
        noise = [demo.load() for _ in range(3)]  # would reuse memory that was given back
        np.testing.assert_array_equal(found, expected)
        self.assertTrue(found.flags.owndata)
        del noise

    def test_the_input_of_a_picture_outlives_the_model(self) -> None:
        model = demo.load()
        expected = model.preprocess(demo.BOOT.read_bytes()).copy()
        found = model.preprocess(demo.BOOT.read_bytes())
        del model
        gc.collect()
        np.testing.assert_array_equal(found, expected)


if __name__ == "__main__":
    unittest.main()
