#include <regnet/weights/names.hpp>

#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "weights/writers.hpp"

namespace regnet {
namespace {

using writers::expect_error;

// Every canonical name of a network with these depths, counters included.
std::vector<std::string> names_of(const std::vector<int>& depths) {
  std::vector<std::string> names{"stem.conv.weight", "head.fc.weight", "head.fc.bias"};
  const auto add_batch_norm = [&](const std::string& layer) {
    for (const char* attribute : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}) names.push_back(layer + "." + attribute);
  };
  add_batch_norm("stem.bn");
  for (std::size_t s = 1; s <= depths.size(); ++s)
    for (int b = 1; b <= depths[s - 1]; ++b) {
      const std::string block = "s" + std::to_string(s) + ".b" + std::to_string(b);
      if (b == 1) {
        names.push_back(block + ".proj.weight");
        add_batch_norm(block + ".bn");
      }
      for (const char* layer : {"a", "b", "c"}) {
        names.push_back(block + ".f." + layer + ".weight");
        add_batch_norm(block + ".f." + layer + "_bn");
      }
    }
  return names;
}

// Tensors of no content under the names.
TensorMap tensors_named(const std::vector<std::string>& names) {
  TensorMap tensors;
  for (const std::string& name : names) tensors.add(name, {});
  return tensors;
}

std::vector<std::string> spelled(Naming naming, const std::vector<std::string>& canonical, const std::string& prefix = "") {
  std::vector<std::string> names;
  for (const std::string& name : canonical) names.push_back(prefix + foreign_name(naming, name));
  return names;
}

std::set<std::string> names_in(const TensorMap& tensors) {
  std::set<std::string> names;
  for (const NamedTensor& tensor : tensors) names.insert(tensor.name);
  return names;
}

std::set<std::string> without_counters(const std::vector<std::string>& names) {
  std::set<std::string> kept;
  for (const std::string& name : names)
    if (!name.ends_with("num_batches_tracked")) kept.insert(name);
  return kept;
}

void expect_refused(const std::string& words, const std::vector<std::string>& names) {
  expect_error(Code::mismatch, words, [&] { to_canonical(tensors_named(names)); });
}

TEST(Names, EverySpellingReadsBackAsTheNameItCameFrom) {
  for (const std::vector<int>& depths : std::vector<std::vector<int>>{{1, 2, 7, 12}, {2, 7, 13, 1}, {1}, {3, 4}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}})
    for (const Naming naming : all_namings) {
      const std::vector<std::string> canonical = names_of(depths);
      std::set<std::string> distinct;
      for (const std::string& name : canonical) {
        const std::string foreign = foreign_name(naming, name);
        EXPECT_EQ(canonical_name(naming, foreign), name) << name_of(naming) << ' ' << foreign;
        distinct.insert(foreign);
      }
      EXPECT_EQ(distinct.size(), canonical.size()) << name_of(naming);
    }
}

TEST(Names, MatchTheTableOfTheFrameworks) {
  const std::string path = std::string(REGNET_SHARED_DIR) + "/reference/keys_x400mf_all.txt";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "no reference table " << path;
  int rows = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    ASSERT_GE(cells.size(), 5u) << line;
    const std::string& canonical = cells[0];
    const std::string torchvision = cells[4].substr(0, cells[4].find(' '));
    for (const auto& [naming, name] :
         {std::pair(Naming::pycls, canonical), {Naming::mmcls, cells[2]}, {Naming::timm, cells[3]}, {Naming::torchvision, torchvision}}) {
      EXPECT_EQ(foreign_name(naming, canonical), name);
      EXPECT_EQ(canonical_name(naming, name), canonical);
    }
    ++rows;
  }
  EXPECT_EQ(rows, 428);
}

TEST(Names, MisleadingSpellingsAreNotMixedUp) {
  EXPECT_EQ(canonical_name(Naming::mmcls, "backbone.conv1.weight"), "stem.conv.weight");
  EXPECT_EQ(canonical_name(Naming::mmcls, "backbone.layer1.0.conv1.weight"), "s1.b1.f.a.weight");
  EXPECT_EQ(canonical_name(Naming::mmcls, "conv1.weight"), "stem.conv.weight");
  EXPECT_EQ(canonical_name(Naming::mmcls, "layer4.11.bn3.running_var"), "s4.b12.f.c_bn.running_var");
  EXPECT_EQ(canonical_name(Naming::mmcls, "fc.bias"), "head.fc.bias");
  EXPECT_EQ(canonical_name(Naming::pycls, "s1.b1.bn.weight"), "s1.b1.bn.weight");
  EXPECT_EQ(canonical_name(Naming::torchvision, "trunk_output.block1.block1-0.f.a.1.weight"), "s1.b1.f.a_bn.weight");
  EXPECT_EQ(canonical_name(Naming::torchvision, "trunk_output.block1.block1-0.proj.1.bias"), "s1.b1.bn.bias");
  EXPECT_EQ(canonical_name(Naming::transformers, "regnet.encoder.stages.0.layers.1.layer.2.normalization.bias"), "s1.b2.f.c_bn.bias");
  EXPECT_EQ(canonical_name(Naming::transformers, "classifier.1.weight"), "head.fc.weight");
}

TEST(Names, WhatNoFrameworkWritesIsNoName) {
  for (const char* name : {"", ".", "weight", "stem.conv", "stem.conv.bias", "stem.conv.weight.weight", "stem.bn.momentum", "s1.b01.f.a.weight",
                           "s0.b1.f.a.weight", "s1.b0.f.a.weight", "s1.b-1.f.a.weight", "s1.b.f.a.weight", "s.b1.f.a.weight",
                           "s1.b99999999999.f.a.weight", "s1.b1.f.a.weight ", "s1.b1.f.d.weight", "head.fc.running_mean", "s1.b1.bn"})
    EXPECT_FALSE(canonical_name(Naming::pycls, name)) << name;
  EXPECT_FALSE(canonical_name(Naming::torchvision, "trunk_output.block1.block2-0.f.a.0.weight"));
  EXPECT_FALSE(canonical_name(Naming::mmcls, "backbone.layer1.0.downsample.2.weight"));
  EXPECT_FALSE(canonical_name(Naming::transformers, "regnet.encoder.stages.-1.layers.0.layer.0.convolution.weight"));
  expect_error(Code::invalid_argument, "'backbone.conv1.weight'", [] { (void)foreign_name(Naming::mmcls, "backbone.conv1.weight"); });
}

TEST(Names, NamingIsRecognisedAndCountersAreDropped) {
  const std::vector<std::string> canonical = names_of({1, 2, 1, 3});
  for (const Naming naming : all_namings) {
    const CanonicalTensors result = to_canonical(tensors_named(spelled(naming, canonical)));
    EXPECT_EQ(result.naming, naming);
    EXPECT_EQ(names_in(result.tensors), without_counters(canonical)) << name_of(naming);
  }
}

TEST(Names, MmclsIsReadWithoutBackboneOrHead) {
  const std::vector<std::string> canonical = names_of({1, 2});
  for (const bool body : {false, true})
    for (const bool head : {false, true}) {
      std::vector<std::string> names = spelled(Naming::mmcls, canonical);
      for (std::string& name : names) {
        if (!body && name.starts_with("backbone.")) name.erase(0, 9);
        if (!head && name.starts_with("head.")) name.erase(0, 5);
      }
      const CanonicalTensors result = to_canonical(tensors_named(names));
      EXPECT_EQ(result.naming, Naming::mmcls);
      EXPECT_EQ(names_in(result.tensors), without_counters(canonical));
    }
  std::vector<std::string> mixed = spelled(Naming::mmcls, canonical);
  mixed[0].erase(0, 9);
  expect_refused("begin with 'backbone.'", mixed);
}

TEST(Names, WrappersAreStrippedHoweverOftenTheyOccur) {
  const std::vector<std::string> canonical = names_of({1, 1});
  for (const char* prefix : {"module.", "model.", "_orig_mod.", "module.model.", "_orig_mod.module.", "model.module.module._orig_mod."})
    for (const Naming naming : all_namings) {
      const CanonicalTensors result = to_canonical(tensors_named(spelled(naming, canonical, prefix)));
      EXPECT_EQ(result.naming, naming);
      EXPECT_EQ(names_in(result.tensors), without_counters(canonical)) << prefix;
    }
}

// A file half of whose names had lost "module." used to load as a network with half of its weights.
TEST(Names, PrefixOnHalfOfTheNamesIsAnError) {
  std::vector<std::string> names = names_of({1, 1});
  for (std::size_t i = 0; i < names.size(); i += 2) names[i] = "module." + names[i];
  expect_refused("begin with 'module.' ('module.stem.conv.weight')", names);
}

TEST(Names, CountersBesideAnAveragedModelAreNoMixedPrefix) {
  for (const char* counter : {"n_averaged", "steps"}) {
    std::vector<std::string> names = spelled(Naming::timm, names_of({1}), "module.");
    names.push_back(counter);
    EXPECT_EQ(to_canonical(tensors_named(names)).naming, Naming::timm);
  }
}

TEST(Names, TwoFrameworksInOneFileAreAnError) {
  std::vector<std::string> names = spelled(Naming::pycls, names_of({1, 1}));
  names.push_back("s3.b1.conv1.conv.weight");
  expect_refused("'s3.b1.conv1.conv.weight' is one of timm, while most are of pycls", names);
}

TEST(Names, UnknownNamesAreListedAndCounted) {
  std::vector<std::string> names = spelled(Naming::timm, names_of({1, 1}));
  const std::size_t known = names.size();
  names.push_back("extra.weight");
  expect_refused("1 of " + std::to_string(known + 1) + " names are not those of a RegNetX in timm: 'extra.weight'", names);
  for (int i = 0; i < 7; ++i) names.push_back("more" + std::to_string(i));
  expect_refused("'more3' and 3 more", names);
}

TEST(Names, OtherNetworksAreNoRegNetX) {
  expect_refused("no RegNetX names of pycls, mmcls, timm, torchvision, transformers or VISSL: 'features.0.weight'",
                 {"features.0.weight", "features.0.bias"});
  expect_refused("there are no tensors", {});
  expect_refused("'\\x1b[2J'", {"\x1b[2J"});
}

TEST(Names, RegNetYIsCalledByItsName) {
  for (const auto& [naming, name] : {std::pair(Naming::pycls, "s1.b1.f.se.f_ex.0.weight"),
                                     {Naming::timm, "s1.b1.se.fc1.weight"},
                                     {Naming::torchvision, "trunk_output.block1.block1-0.f.se.fc1.bias"},
                                     {Naming::transformers, "regnet.encoder.stages.0.layers.0.layer.2.attention.0.weight"}}) {
    std::vector<std::string> names = spelled(naming, names_of({1, 1}));
    names.push_back(name);
    expect_refused("looks like a RegNetY", names);
  }
}

TEST(Names, ResultKeepsTheBytesAlive) {
  auto values = std::make_shared<const OwnedVector<float>>(std::vector<float>(8, 1.5f));
  const std::weak_ptr<const OwnedVector<float>> watched = values;
  CanonicalTensors result;
  {
    TensorMap source;
    source.add("stem.0.weight", view_of(values->elements(), {8}));
    source.keep_alive(std::move(values));
    result = to_canonical(source);
  }
  ASSERT_FALSE(watched.expired());
  EXPECT_EQ(to_floats(*result.tensors.find("stem.conv.weight"))[7], 1.5f);
}

}  // namespace
}  // namespace regnet
