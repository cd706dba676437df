"""Arrays are read and written where they are; what is not exactly as expected is one error."""

import tracemalloc
import unittest

import demo
import numpy as np
from PIL import Image

import regnet


class DLPackOnly:
    """An array of another library: it has DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class Arrays(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.model = demo.load()
        cls.images = demo.inputs(cls.model, 2)
        cls.session = cls.model.session(batch=2)
        cls.expected = cls.session.run(cls.images)

    def refused(self, *parts: str):
        """The context of a call that must raise an ArgumentError of one line with these parts."""
        test = self

        class Refused:
            def __enter__(self):
                return self

            def __exit__(self, kind, error, trace) -> bool:
                test.assertIs(kind, regnet.ArgumentError, error)
                test.assertEqual(error.code, "invalid_argument")
                test.assertNotIn("\n", str(error))
                for part in parts:
                    test.assertIn(part, str(error))
                return True

        return Refused()

    def test_logits_are_float32_of_batch_by_classes(self) -> None:
        self.assertEqual((self.expected.shape, self.expected.dtype), ((2, 10), np.float32))
        self.assertTrue(self.expected.flags.c_contiguous and self.expected.flags.writeable)

    def test_out_is_written_and_returned(self) -> None:
        table = np.full((4, 10), 7, np.float32)
        out = table[1:3]
        self.assertIs(self.session.run(self.images, out=out), out)
        np.testing.assert_array_equal(table[1:3], self.expected)
        np.testing.assert_array_equal(table[[0, 3]], 7)

    def test_preprocess_writes_into_a_row_of_a_batch(self) -> None:
        batch = np.full((3, *self.model.input_shape), 7, np.float32)
        row = batch[1]
        self.assertIs(self.model.preprocess(demo.BOOT.read_bytes(), out=row), row)
        np.testing.assert_array_equal(batch[1], self.model.preprocess(demo.BOOT.read_bytes()))
        np.testing.assert_array_equal(batch[[0, 2]], 7)

    def test_images_are_not_copied(self) -> None:
        images = demo.inputs(self.model, 64)
        session, out = self.model.session(batch=64), np.empty((64, 10), np.float32)
        tracemalloc.start()  # NumPy's memory is counted
        try:
            session.run(images, out=out)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertLess(peak, images.nbytes // 10)

    def test_whatever_has_dlpack_or_the_buffer_protocol_is_read_and_written(self) -> None:
        read_only = self.images.copy()
        read_only.flags.writeable = False
        for images in (DLPackOnly(self.images), memoryview(self.images), read_only):
            np.testing.assert_array_equal(self.session.run(images), self.expected)
        for wrapped in (DLPackOnly, memoryview):
            memory = np.zeros((2, 10), np.float32)
            self.session.run(self.images, out=wrapped(memory))
            np.testing.assert_array_equal(memory, self.expected)

    def test_strides_of_sides_of_one_do_not_matter(self) -> None:
        image = self.images[:1]
        odd = np.lib.stride_tricks.as_strided(image, image.shape, (4, *image.strides[1:]))
        np.testing.assert_array_equal(self.model.session(batch=1).run(odd), self.model.session(batch=1).run(image))

    def test_every_wrong_kind_of_images_is_refused(self) -> None:
        images, expected = self.images, "images: expected C-contiguous float32 of shape (2, 3, 64, 64), found "
        unaligned = np.frombuffer(bytearray(images.nbytes + 1), np.uint8)[1:].view(np.float32).reshape(images.shape)
        wrong = {
            "float64 of shape (2, 3, 64, 64)": images.astype(np.float64),
            "float16 of shape (2, 3, 64, 64)": images.astype(np.float16),
            "int32 of shape (2, 3, 64, 64)": images.astype(np.int32),
            "complex64 of shape (2, 3, 64, 64)": images.astype(np.complex64),
            "object of shape (2, 3, 64, 64)": images.astype(object),
            ">f4 of shape (2, 3, 64, 64)": images.astype(">f4"),
            "float32 of shape (1, 3, 64, 64)": images[:1],
            "float32 of shape (3, 64, 64)": images[0],
            "float32 of shape (2, 64, 64, 3)": np.ascontiguousarray(images.transpose(0, 2, 3, 1)),
            "float32 of shape (24576,)": images.ravel(),
            "float32 of shape (0, 3, 64, 64)": images[:0],
            "float32 of shape (2, 3, 64, 64) with strides of (1, 2, 6, 384) elements": np.asfortranarray(images),
            "with strides of (12288, 4096, -64, 1) elements": images[:, :, ::-1],
            "with strides of (24576, 8192, 128, 2) elements": np.repeat(images, 2, axis=3)[..., ::2],
            "at an address that is no multiple of 4": unaligned,
            "an object of type list": images.tolist(),
            "an object of type NoneType": None,
            "an object of type bytes": images.tobytes(),
        }
        for found, array in wrong.items():
            with self.subTest(found), self.refused(found if "strides" in found or "address" in found else expected + found):
                self.session.run(array)

    def test_every_wrong_kind_of_out_is_refused_and_left_alone(self) -> None:
        read_only = np.full((2, 10), 7, np.float32)
        read_only.flags.writeable = False
        wrong = {
            "out: expected an array that can be written, found a read-only one": read_only,
            "found float64 of shape (2, 10)": np.full((2, 10), 7.0),
            "found float32 of shape (10, 2)": np.full((10, 2), 7, np.float32),
            "found float32 of shape (20,)": np.full(20, 7, np.float32),
            "with strides of (20, 2) elements": np.full((2, 20), 7, np.float32)[:, ::2],
        }
        for found, array in wrong.items():
            with self.subTest(found), self.refused("out: expected ", found):
                self.session.run(self.images, out=array)
            np.testing.assert_array_equal(array, 7)
        with self.refused("out: expected C-contiguous float32 of shape (3, 64, 64), found float32 of shape (1, 3, 64, 64)"):
            self.model.preprocess(demo.BOOT.read_bytes(), out=np.zeros((1, 3, 64, 64), np.float32))

    def test_wrong_logits_are_refused(self) -> None:
        with self.refused("logits: expected C-contiguous float32 of shape (10,), found float32 of shape (2, 10)"):
            self.model.predictions(self.expected)
        with self.refused("k: expected 1 or more, found 0"):
            self.model.predictions(self.expected[0], k=0)


class Pixels(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.model = demo.load()
        cls.rgb = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
        cls.expected = cls.model.preprocess(cls.rgb)

    def test_rows_may_lie_anywhere(self) -> None:
        height, width, _ = self.rgb.shape
        padded = np.zeros((height, width + 7, 3), np.uint8)
        padded[:, :width] = self.rgb
        upside_down = self.rgb[::-1].copy()
        every_other = np.repeat(self.rgb, 2, axis=0)
        read_only = self.rgb.copy()
        read_only.flags.writeable = False
        for pixels in (padded[:, :width], upside_down[::-1], every_other[::2], read_only, DLPackOnly(self.rgb), Image.fromarray(self.rgb)):
            np.testing.assert_array_equal(self.model.preprocess(pixels), self.expected)

    def test_the_input_is_float32_of_the_input_shape(self) -> None:
        self.assertEqual((self.expected.shape, self.expected.dtype), (self.model.input_shape, np.float32))

    def test_every_wrong_kind_of_image_is_refused(self) -> None:
        wrong = {
            "float32 of shape (90, 70, 3)": self.rgb.astype(np.float32),
            "uint8 of shape (90, 70)": self.rgb[..., 0],
            "uint8 of shape (90, 70, 4)": np.zeros((90, 70, 4), np.uint8),
            "uint8 of shape (3, 90, 70)": np.ascontiguousarray(self.rgb.transpose(2, 0, 1)),
            "uint8 of shape (0, 70, 3)": self.rgb[:0],
            "strides of (210, 3, -1) bytes": self.rgb[..., ::-1],
            "strides of (210, 6, 1) bytes": self.rgb[:, ::2],
            "an object of type str": str(demo.BOOT),
            "an object of type NoneType": None,
            "uint8 of shape (28, 28)": Image.new("L", (28, 28)),
        }
        for found, image in wrong.items():
            for call in (self.model.preprocess, self.model.classify):
                with self.subTest(found), self.assertRaises(regnet.ArgumentError) as raised:
                    call(image)
                self.assertTrue(str(raised.exception).startswith("image: expected uint8 of shape (height, width, 3)"), raised.exception)
                self.assertIn(found, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
