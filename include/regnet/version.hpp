// version: which regnet this is.
#pragma once

#include <string_view>

#include <regnet/base/export.hpp>

// All that the library offers in C++. What is in `detail` is not for use.
namespace regnet {

REGNET_API std::string_view version();  // "0.1.0"
REGNET_API std::string_view commit();   // of the source tree, with "-dirty" when it had changes; "unknown" outside git

}  // namespace regnet
