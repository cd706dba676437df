#include <regnet/design/scale.hpp>

#include <gtest/gtest.h>

#include <regnet/design/zoo.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

struct Case {
  const char *model, *type;
  double factor;
  const char* stages;
  int resolution;
};

// What pycls's scale_model makes of its own configurations (commit 5719de6).
constexpr Case cases[] = {
    {"regnetx_200mf", "d1_w8_g8_r1", 4, "ds=1-1-5-8,ws=32-96-256-640,gs=16-16-16-16", 240},
    {"regnetx_200mf", "d1_w8_g8_r1", 0.3, "ds=1-1-4-6,ws=16-32-96-224,gs=4-4-4-4", 212},
    {"regnetx_200mf", "dwr", 2, "ds=1-1-5-9,ws=24-64-168-416,gs=8-8-8-8", 252},
    {"regnetx_200mf", "d", 3, "ds=3-3-12-21,ws=24-56-152-368,gs=8-8-8-8", 224},
    {"regnetx_200mf", "w1_g1", 8, "ds=1-1-4-7,ws=72-168-432-1032,gs=24-24-24-24", 224},
    {"regnetx_200mf", "d1_w2_r3", 0.5, "ds=1-1-4-6,ws=24-48-136-328,gs=8-8-8-8", 188},
    {"regnetx_200mf", "g", 4, "ds=1-1-4-7,ws=24-64-160-384,gs=24-32-32-32", 224},
    {"regnetx_400mf", "d1_w8_g8_r1", 4, "ds=1-2-8-14,ws=64-128-288-672,gs=32-32-32-32", 240},
    {"regnetx_400mf", "d1_w8_g8_r1", 0.3, "ds=1-2-6-11,ws=16-40-96-240,gs=8-8-8-8", 212},
    {"regnetx_400mf", "dwr", 2, "ds=1-3-9-15,ws=32-64-176-432,gs=16-16-16-16", 252},
    {"regnetx_400mf", "d", 3, "ds=3-6-21-36,ws=32-64-160-384,gs=16-16-16-16", 224},
    {"regnetx_400mf", "w1_g1", 8, "ds=1-2-7-12,ws=96-192-480-1104,gs=48-48-48-48", 224},
    {"regnetx_400mf", "d1_w2_r3", 0.5, "ds=1-2-6-11,ws=32-64-144-352,gs=16-16-16-16", 188},
    {"regnetx_400mf", "g", 4, "ds=1-2-7-12,ws=32-64-128-384,gs=32-64-64-64", 224},
    {"regnetx_3.2gf", "d1_w8_g8_r1", 4, "ds=2-7-17-2,ws=160-320-720-1760,gs=80-80-80-80", 240},
    {"regnetx_3.2gf", "d1_w8_g8_r1", 0.3, "ds=2-5-13-2,ws=64-128-256-640,gs=32-32-32-32", 212},
    {"regnetx_3.2gf", "dwr", 2, "ds=3-8-19-3,ws=96-192-480-1152,gs=48-48-48-48", 252},
    {"regnetx_3.2gf", "d", 3, "ds=6-18-45-6,ws=96-192-432-1008,gs=48-48-48-48", 224},
    {"regnetx_3.2gf", "w1_g1", 8, "ds=2-6-15-2,ws=272-544-1224-2856,gs=136-136-136-136", 224},
    {"regnetx_3.2gf", "d1_w2_r3", 0.5, "ds=2-5-13-2,ws=96-192-384-912,gs=48-48-48-48", 188},
    {"regnetx_3.2gf", "g", 4, "ds=2-6-15-2,ws=96-192-384-960,gs=96-192-192-192", 224},
    {"regnetx_8.0gf", "d1_w8_g8_r1", 4, "ds=2-6-17-1,ws=136-416-1248-3328,gs=136-208-208-208", 240},
    {"regnetx_8.0gf", "d1_w8_g8_r1", 0.3, "ds=2-4-13-1,ws=48-144-432-1152,gs=48-72-72-72", 212},
    {"regnetx_8.0gf", "dwr", 2, "ds=3-6-19-1,ws=80-240-840-2160,gs=80-120-120-120", 252},
    {"regnetx_8.0gf", "d", 3, "ds=6-15-45-3,ws=80-240-720-1920,gs=80-120-120-120", 224},
    {"regnetx_8.0gf", "w1_g1", 8, "ds=2-5-15-1,ws=224-672-2016-5376,gs=224-336-336-336", 224},
    {"regnetx_8.0gf", "d1_w2_r3", 0.5, "ds=2-4-13-1,ws=72-240-600-1680,gs=72-120-120-120", 188},
    {"regnetx_8.0gf", "g", 4, "ds=2-5-15-1,ws=80-240-960-1920,gs=80-240-480-480", 224},
};

ScalingWeights weights_of(const std::string& type) {
  if (type == "d1_w8_g8_r1") return {};
  if (type == "dwr") return {1, 1, 0, 1};
  if (type == "d") return {1, 0, 0, 0};
  if (type == "w1_g1") return {0, 1, 1, 0};
  if (type == "d1_w2_r3") return {1, 2, 0, 3};
  EXPECT_EQ(type, "g");
  return {0, 0, 1, 0};
}

TEST(Scale, MakesPyclssNetworks) {
  for (const Case& one : cases) {
    const ScaledNetwork scaled = scale(find_design(one.model).stages, 224, one.factor, weights_of(one.type));
    EXPECT_EQ(to_string(scaled.stages), one.stages) << one.model << ' ' << one.type << ' ' << one.factor;
    EXPECT_EQ(scaled.resolution, one.resolution) << one.model << ' ' << one.type << ' ' << one.factor;
  }
}

TEST(Scale, ByOneChangesNothing) {
  for (const ZooEntry& entry : zoo) {
    const std::vector<Stage> stages = to_stages(entry.params);
    EXPECT_EQ(scale(stages, 224, 1).stages, stages) << entry.name;
  }
}

TEST(Scale, RefusesWhatMakesNoNetwork) {
  const std::vector<Stage> stages = find_design("regnetx_200mf").stages;
  EXPECT_REGNET_ERROR(scale(stages, 224, 0), Code::invalid_argument, "expected a positive factor, found 0");
  EXPECT_REGNET_ERROR(scale(stages, 224, std::nan("")), Code::invalid_argument, "a positive factor");
  EXPECT_REGNET_ERROR(scale(stages, 224, 2, {-1, 1, 1, 1}), Code::invalid_argument, "not negative, found -1");
  EXPECT_REGNET_ERROR(scale(stages, 224, 1e9), Code::invalid_argument, "network: expected");
  EXPECT_REGNET_ERROR(scale(stages, 224, 1e-9, {0, 0, 0, 1}), Code::invalid_argument, "a resolution from 1");
}

}  // namespace
}  // namespace regnet
