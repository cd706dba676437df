// How results are printed as JSON, and how JSON of others is read.
#pragma once

#include <iostream>
#include <string_view>

#include <nlohmann/json.hpp>

#include <regnet/base/error.hpp>

// Indented, and with names that are not UTF-8, as file names may be, made so by U+FFFD.
inline void print(const nlohmann::ordered_json& json) {
  std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

// Discarded (is_discarded) for what is no JSON. Throws bad_format for what is nested so deeply that printing or comparing it would exhaust the stack.
inline nlohmann::ordered_json parse_json(std::string_view text) {
  static constexpr int deepest = 64;
  const auto guard = [](int depth, nlohmann::ordered_json::parse_event_t, nlohmann::ordered_json&) {
    if (depth > deepest) regnet::fail(regnet::Code::bad_format, "JSON: expected at most ", deepest, " levels, found more");
    return true;
  };
  return nlohmann::ordered_json::parse(text, guard, false);
}
