"""Networks from their design numbers."""

import unittest

import regnet


class Designs(unittest.TestCase):
    def test_counts_of_published_networks(self) -> None:
        # Of the README's table.
        for name, params, macs in (("regnetx_200mf", 2684792, 199040872), ("RegNetX-3.2GF", 15296552, 3176622952)):
            design = regnet.design(name)
            self.assertEqual((design.params, design.macs), (params, macs), name)

    def test_every_model_has_a_design(self) -> None:
        designs = [regnet.design(name) for name in regnet.models()]
        self.assertEqual([design.name for design in designs], regnet.models())
        self.assertEqual(len(designs), 13)
        macs = [design.macs for design in designs[:12]]
        self.assertEqual(macs, sorted(macs))

    def test_stages(self) -> None:
        stages = regnet.design("regnetx_3.2gf").stages
        self.assertEqual([(s.depth, s.width, s.bottleneck_width, s.group_width, s.stride, s.groups) for s in stages],
                         [(2, 96, 96, 48, 2, 2), (6, 192, 192, 48, 2, 4), (15, 432, 432, 48, 2, 9), (2, 1008, 1008, 48, 2, 21)])
        self.assertEqual(len({*stages, *regnet.design("RegNetX-3.2GF").stages}), 4)
        self.assertNotEqual(stages[0], "a stage")
        self.assertEqual(repr(stages[0]), "Stage(depth=2, width=96, bottleneck_width=96, group_width=48, stride=2)")

    def test_names_numbers_and_stages_make_the_same_network(self) -> None:
        named = regnet.design("regnetx_032")
        for other in (named.numbers, "ds=2-6-15-2,ws=96-192-432-1008,gs=48"):
            self.assertEqual(regnet.design(other).name, "regnetx_3.2gf")
            self.assertEqual(regnet.design(other).stages, named.stages)

    def test_resolution_and_classes_count(self) -> None:
        small = regnet.design("regnetx_200mf", resolution=112, classes=10)
        self.assertLess(small.macs * 3, regnet.design("regnetx_200mf").macs)
        self.assertEqual(regnet.design("regnetx_200mf").params - small.params, 990 * (368 + 1))


if __name__ == "__main__":
    unittest.main()
