"""What the installed package holds, and what it brings into a process."""

import importlib.metadata
import pathlib
import re
import unittest

import demo

import regnet

FOLDER = pathlib.Path(regnet.__file__).parent


class Package(unittest.TestCase):
    def test_it_has_types(self) -> None:
        self.assertTrue((FOLDER / "py.typed").is_file())
        stub = (FOLDER / "_core.pyi").read_text()
        for name in set(regnet.__all__) - {"Error", "ArgumentError", "MissingFileError", "__version__"}:
            self.assertRegex(stub, rf"(?m)^(class|def) {name}\b")
        self.assertNotIn("std::", stub)  # a type that Python has no name for

    def test_all_is_all(self) -> None:
        public = {name for name in vars(regnet) if not name.startswith("_")}
        self.assertEqual(public | {"__version__"}, set(regnet.__all__))

    def test_the_version_is_the_source_trees(self) -> None:
        version = re.search(r"project\(regnet VERSION ([0-9.]+)", (demo.SOURCE / "CMakeLists.txt").read_text()).group(1)
        self.assertEqual((regnet.__version__, importlib.metadata.version("regnet")), (version, version))

    def test_it_brings_its_own_onednn_when_that_came_from_the_source_tree(self) -> None:
        maps = pathlib.Path("/proc/self/maps").read_text()
        found = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "libdnnl" in line}
        self.assertEqual(len(found), 1, found)
        if (demo.SOURCE / ".deps/onednn").exists():
            self.assertEqual(pathlib.Path(found.pop()).parent, FOLDER.resolve() / "onednn")
            self.assertTrue((FOLDER / "onednn/LICENSE").is_file())


if __name__ == "__main__":
    unittest.main()
