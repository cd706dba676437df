// fail_errno: what the operating system refused, as an Error.
#pragma once

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <regnet/base/error.hpp>

namespace regnet {

// Throws not_found when `path` or a folder of it does not exist, else io, with the system's own words.
[[noreturn]] inline void fail_errno(const std::filesystem::path& path, int error) {
  fail(error == ENOENT || error == ENOTDIR ? Code::not_found : Code::io, path.string(), ": ", std::strerror(error));
}

}  // namespace regnet
