"""Every failure has a class, a code and one line."""

import concurrent.futures
import multiprocessing
import pathlib
import pickle
import tempfile
import unittest

import demo
import numpy as np

import regnet


def load_what_is_not_there() -> None:
    regnet.load("/no/such/file")


class Errors(unittest.TestCase):
    def expect(self, code: str, part: str, call, kind: type = regnet.Error) -> regnet.Error:
        with self.assertRaises(regnet.Error) as raised:
            call()
        error = raised.exception
        self.assertIs(type(error), kind, error)
        self.assertEqual(error.code, code, error)
        self.assertIn(part, str(error))
        self.assertNotIn("\n", str(error))
        return error

    def test_codes(self) -> None:
        model = demo.load()
        damaged = bytearray(demo.BOOT.read_bytes())
        del damaged[len(damaged) // 2 :]
        numeric = np.full((1, *model.input_shape), np.nan, np.float32)
        self.expect("not_found", "/no/such/file", load_what_is_not_there, regnet.MissingFileError)
        self.expect("not_found", "no_such", lambda: demo.load(preset="no_such"))
        self.expect("not_found", "regnetx_200mf", lambda: regnet.design("regnetx_201mf"))
        self.expect("io", "directory", lambda: regnet.load(demo.SOURCE))
        self.expect("bad_format", "README.md", lambda: regnet.load(demo.SOURCE / "README.md"))
        self.expect("bad_format", "image", lambda: model.classify(bytes(damaged)))
        self.expect("bad_format", "neither", lambda: model.preprocess(b"no image"))
        self.expect("mismatch", "regnetx_400mf", lambda: demo.load(model="regnetx_400mf"))
        self.expect("mismatch", "1000", lambda: demo.load(classes=1000))
        self.expect("numeric", "NaN", lambda: model.session().run(numeric))
        for part, call in {
            "'cuda'": lambda: demo.load(backend="cuda"),
            "'f8'": lambda: demo.load(precision="f8"),
            "classes: expected 0 or more, found -1": lambda: demo.load(classes=-1),
            "batch": lambda: model.session(batch=0),
            "4096, found 5000": lambda: demo.load(batch=5000),
            "threads": lambda: model.session(threads=-1),
            "expected w0 a positive multiple of 8, found 25": lambda: regnet.design("w0=25,wa=36.44,wm=2.49,d=13,g=8"),
            "resolution": lambda: regnet.design("regnetx_200mf", resolution=0),
        }.items():
            with self.subTest(part):
                self.expect("invalid_argument", part, call, regnet.ArgumentError)

    def test_they_are_what_python_calls_them_too(self) -> None:
        with self.assertRaises(FileNotFoundError):
            load_what_is_not_there()
        with self.assertRaises(ValueError):
            demo.load(backend="cuda")

    def test_a_preset_that_is_not_there_is_no_missing_file(self) -> None:
        self.assertNotIsInstance(self.expect("not_found", "no_such", lambda: demo.load(preset="no_such")), FileNotFoundError)

    def test_a_path_need_not_be_text(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            there = pathlib.Path(folder, "a\udcff.safetensors")
            there.write_bytes(demo.WEIGHTS.read_bytes())
            self.assertEqual(regnet.load(there).classes, 10)
            there.write_bytes(b"nonsense")
            self.expect("bad_format", "a\\xff.safetensors", lambda: regnet.load(there))

    def test_what_is_no_path_is_a_type_error(self) -> None:
        for wrong in (5, None, [str(demo.WEIGHTS)]):
            with self.assertRaises(TypeError):
                regnet.load(wrong)

    def test_nobody_makes_a_model_or_a_session_but_load_and_a_model(self) -> None:
        for kind in (regnet.Model, regnet.Session):
            with self.assertRaises(TypeError):
                kind()

    def test_they_cross_to_other_processes(self) -> None:
        error = self.expect("not_found", "/no/such/file", load_what_is_not_there, regnet.MissingFileError)
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), str(copy), copy.code), (type(error), str(error), error.code))
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            future = pool.submit(load_what_is_not_there)
            self.expect("not_found", "/no/such/file", future.result, regnet.MissingFileError)


if __name__ == "__main__":
    unittest.main()
