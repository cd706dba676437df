// The golden files of this folder, parsed.
#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

inline nlohmann::json read_golden(const std::string& name) {
  const std::string path = std::string(REGNET_TEST_DIR) + "/golden/" + name;
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open " + path);
  return nlohmann::json::parse(file);
}
