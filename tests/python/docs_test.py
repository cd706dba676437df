"""What docs/python.md shows is what Python answers."""

import doctest
import os
import re
import unittest

import demo


class Docs(unittest.TestCase):
    def test_every_example_of_the_page_is_true(self) -> None:
        page = demo.SOURCE / "docs/python.md"
        blocks = "\n".join(re.findall(r"^```pycon\n(.*?)^```", page.read_text(), re.M | re.S))
        examples = doctest.DocTestParser().get_doctest(blocks, {}, page.name, str(page), 0)
        here = os.getcwd()
        os.chdir(demo.SOURCE)
        try:
            found = doctest.DocTestRunner().run(examples)
        finally:
            os.chdir(here)
        self.assertEqual(found.failed, 0)
        self.assertGreater(found.attempted, 20)


if __name__ == "__main__":
    unittest.main()
