// The files configs/imagenet/SOURCE/MODEL.json as they are, put into the binary by CMake.
#pragma once

#include <span>
#include <string_view>

namespace regnet::detail {

struct PublishedText {
  std::string_view name;  // "SOURCE/MODEL"
  std::string_view json;
};

std::span<const PublishedText> published_texts();

}  // namespace regnet::detail
