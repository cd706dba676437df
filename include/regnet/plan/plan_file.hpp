// plan_file: a plan of the own backend as a file, its weights packed for one instruction set, so that a process has its first result before a checkpoint would be read.
// Layout: 16 bytes of magic, the header's length (u64, little endian), the header (JSON), zeros up to a page, the floats.
#pragma once

#include <filesystem>
#include <string>

#include <regnet/base/existing.hpp>
#include <regnet/base/export.hpp>
#include <regnet/plan/plan.hpp>

namespace regnet {

// Writes the plan and what its maker wants to have back, under another name until all is on the disk. Throws invalid_argument for a plan of another backend and for a node whose name is
// not of at most 200 printable ASCII characters, unsupported when `about` and the graph take more than 4 MiB, not_found or io when the file cannot be written.
REGNET_API void save_plan(const Plan& plan, const std::filesystem::path& path, const std::string& about, Existing existing = Existing::keep);

// What was in a plan file.
struct PlanFile {
  Plan plan;
  std::string about;  // as it was given to save_plan
};

// Maps the file: processes share its pages. The plan has no findings: they are about weights that are not there any more. Throws bad_format when it is none, cut, or its
// checksums differ, unsupported when it was made by another version or for another instruction set than this process uses, not_found, io.
REGNET_API PlanFile load_plan(const std::filesystem::path& path);

// By its magic; false for what cannot be read.
REGNET_API bool is_plan_file(const std::filesystem::path& path);

}  // namespace regnet
