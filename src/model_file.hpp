// model_file: the half of load_model that reads plan files (save_model's).
#pragma once

#include <filesystem>

#include <regnet/model.hpp>

namespace regnet {

// Throws as load_plan, bad_format for a plan that no save_model wrote, invalid_argument or mismatch for options that the plan cannot follow any more; with the path in front.
Model load_compiled_model(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace regnet
