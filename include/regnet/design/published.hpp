// published: the accuracies that were published for RegNetX checkpoints, on ImageNet val, single crop, in percent. Data only.
// Sources: pycls dev/model_error.json (the zoo's checkpoints tested again), mmcls 0.25.0 configs/regnet, torchvision weight metadata.
#pragma once

#include <array>
#include <string_view>

namespace regnet {

struct PublishedAccuracy {
  std::string_view model;   // zoo name
  std::string_view source;  // pycls, mmcls, mmcls-converted, torchvision-v1, torchvision-v2
  double top1;
  double top5;
  std::string_view file;  // the checkpoint's file name as published
};

inline constexpr std::array<PublishedAccuracy, 42> published_accuracies{
    {{"regnetx_200mf", "pycls", 68.912, 88.658, "RegNetX-200MF_dds_8gpu.pyth"},
     {"regnetx_400mf", "pycls", 72.618, 90.924, "RegNetX-400MF_dds_8gpu.pyth"},
     {"regnetx_400mf", "mmcls", 72.56, 90.78, "regnetx-400mf_8xb128_in1k_20211213-89bfc226.pth"},
     {"regnetx_400mf", "mmcls-converted", 72.55, 90.91, "RegNetX-400MF-0db9f35c.pth"},
     {"regnet_x_400mf", "torchvision-v1", 72.834, 90.95, "regnet_x_400mf-adf1edd5.pth"},
     {"regnet_x_400mf", "torchvision-v2", 74.864, 92.322, "regnet_x_400mf-62229a5f.pth"},
     {"regnetx_600mf", "pycls", 74.136, 91.802, "RegNetX-600MF_dds_8gpu.pyth"},
     {"regnetx_800mf", "pycls", 75.154, 92.408, "RegNetX-800MF_dds_8gpu.pyth"},
     {"regnetx_800mf", "mmcls", 74.76, 92.32, "regnetx-800mf_8xb128_in1k_20211213-222b0f11.pth"},
     {"regnetx_800mf", "mmcls-converted", 75.21, 92.37, "RegNetX-800MF-4f9d1e8a.pth"},
     {"regnetx_800mf", "torchvision-v1", 75.212, 92.348, "regnet_x_800mf-ad17e45c.pth"},
     {"regnetx_800mf", "torchvision-v2", 77.522, 93.826, "regnet_x_800mf-94a99ebd.pth"},
     {"regnetx_1.6gf", "pycls", 76.962, 93.516, "RegNetX-1.6GF_dds_8gpu.pyth"},
     {"regnetx_1.6gf", "mmcls", 76.84, 93.31, "regnetx-1.6gf_8xb128_in1k_20211213-d1b89758.pth"},
     {"regnetx_1.6gf", "mmcls-converted", 77.04, 93.51, "RegNetX-1.6GF-cfb32375.pth"},
     {"regnetx_1.6gf", "torchvision-v1", 77.04, 93.44, "regnet_x_1_6gf-e3633e7f.pth"},
     {"regnetx_1.6gf", "torchvision-v2", 79.668, 94.922, "regnet_x_1_6gf-a12f2b72.pth"},
     {"regnetx_3.2gf", "pycls", 78.264, 94.138, "RegNetX-3.2GF_dds_8gpu.pyth"},
     {"regnetx_3.2gf", "mmcls", 78.09, 94.08, "regnetx-3.2gf_8xb64_in1k_20211213-1fdd82ae.pth"},
     {"regnetx_3.2gf", "mmcls-converted", 78.26, 94.2, "RegNetX-3.2GF-82c43fd5.pth"},
     {"regnetx_3.2gf", "torchvision-v1", 78.364, 93.992, "regnet_x_3_2gf-f342aeae.pth"},
     {"regnetx_3.2gf", "torchvision-v2", 81.196, 95.43, "regnet_x_3_2gf-7071aa85.pth"},
     {"regnetx_4.0gf", "pycls", 78.644, 94.264, "RegNetX-4.0GF_dds_8gpu.pyth"},
     {"regnetx_4.0gf", "mmcls", 78.6, 94.17, "regnetx-4.0gf_8xb64_in1k_20211213-efed675c.pth"},
     {"regnetx_4.0gf", "mmcls-converted", 78.72, 94.22, "RegNetX-4.0GF-ef8bb32c.pth"},
     {"regnetx_6.4gf", "pycls", 79.156, 94.566, "RegNetX-6.4GF_dds_8gpu.pyth"},
     {"regnetx_6.4gf", "mmcls", 79.38, 94.65, "regnetx-6.4gf_8xb64_in1k_20211215-5c6089da.pth"},
     {"regnetx_6.4gf", "mmcls-converted", 79.22, 94.61, "RegNetX-6.4GF-6888c0ea.pth"},
     {"regnetx_8.0gf", "pycls", 79.272, 94.58, "RegNetX-8.0GF_dds_8gpu.pyth"},
     {"regnetx_8.0gf", "mmcls", 79.12, 94.51, "regnetx-8.0gf_8xb64_in1k_20211213-9a9fcc76.pth"},
     {"regnetx_8.0gf", "mmcls-converted", 79.31, 94.57, "RegNetX-8.0GF-cb4c77ec.pth"},
     {"regnetx_8.0gf", "torchvision-v1", 79.344, 94.686, "regnet_x_8gf-03ceed89.pth"},
     {"regnetx_8.0gf", "torchvision-v2", 81.682, 95.678, "regnet_x_8gf-2b70d774.pth"},
     {"regnetx_12gf", "pycls", 79.712, 94.716, "RegNetX-12GF_dds_8gpu.pyth"},
     {"regnetx_12gf", "mmcls", 79.67, 95.03, "regnetx-12gf_8xb64_in1k_20211213-5df8c2f8.pth"},
     {"regnetx_12gf", "mmcls-converted", 79.91, 94.78, "RegNetX-12GF-0574538f.pth"},
     {"regnetx_16gf", "pycls", 80.044, 94.978, "RegNetX-16GF_dds_8gpu.pyth"},
     {"regnetx_16gf", "torchvision-v1", 80.058, 94.944, "regnet_x_16gf-2007eb11.pth"},
     {"regnetx_16gf", "torchvision-v2", 82.716, 96.196, "regnet_x_16gf-ba3796d7.pth"},
     {"regnetx_32gf", "pycls", 80.502, 95.122, "RegNetX-32GF_dds_8gpu.pyth"},
     {"regnetx_32gf", "torchvision-v1", 80.622, 95.248, "regnet_x_32gf-9d47f8d0.pth"},
     {"regnetx_32gf", "torchvision-v2", 83.014, 96.288, "regnet_x_32gf-6eb8fdc6.pth"}}};

// The preset that the source evaluates with.
constexpr std::string_view preset_of(const PublishedAccuracy& row) { return row.source.starts_with("mmcls") ? "mmcls" : row.source; }

// The row called "source/model", such as "mmcls/regnetx_400mf". Returns nullptr when there is none.
constexpr const PublishedAccuracy* find_published(std::string_view name) {
  for (const PublishedAccuracy& row : published_accuracies)
    if (name.size() == row.source.size() + 1 + row.model.size() && name.starts_with(row.source) && name[row.source.size()] == '/' &&
        name.ends_with(row.model))
      return &row;
  return nullptr;
}

}  // namespace regnet
