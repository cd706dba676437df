// answers: what goes back to a client, as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <regnet/model.hpp>

inline std::string to_json(const std::vector<regnet::Prediction>& predictions) {
  nlohmann::ordered_json top = nlohmann::ordered_json::array();
  for (const regnet::Prediction& p : predictions)
    top.push_back({{"class", p.class_index}, {"name", p.name}, {"probability", p.probability}, {"logit", p.logit}});
  // Class names come from the weights' file and may be no UTF-8.
  return nlohmann::ordered_json{{"top", top}}.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

inline std::string error_json(const std::string& message) {
  return nlohmann::json{{"error", message}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

inline void answer_error(httplib::Response& response, int status, const std::string& message) {
  response.status = status;
  response.set_content(error_json(message), "application/json");
}

// For a request whose body is not read to its end: what is left of it would be taken for the next request, so the connection must go. A content provider
// that returns false is httplib's way to close it.
inline void answer_error_and_close(httplib::Response& response, int status, const std::string& message) {
  response.status = status;
  response.set_header("Connection", "close");
  const std::string body = error_json(message);
  response.set_content_provider(body.size(), "application/json", [body](std::size_t, std::size_t, httplib::DataSink& sink) {
    sink.write(body.data(), body.size());
    return false;
  });
}
