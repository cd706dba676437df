// How results are printed as JSON: indented, and with names that are not UTF-8, as file names may be, made so by U+FFFD.
#pragma once

#include <iostream>

#include <nlohmann/json.hpp>

inline void print(const nlohmann::ordered_json& json) {
  std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}
