// A folder for one test, removed at its end.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <stdlib.h>

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "regnet_test_XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make " + name);
    x_path = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(x_path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  // Writes a file, with the folders above it, and returns its path.
  std::string write(const std::string& file, const std::string& content = "") const {
    std::filesystem::create_directories((x_path / file).parent_path());
    std::ofstream(x_path / file, std::ios::binary) << content;
    return (x_path / file).string();
  }
  const std::filesystem::path& path() const { return x_path; }

 private:
  std::filesystem::path x_path;
};
