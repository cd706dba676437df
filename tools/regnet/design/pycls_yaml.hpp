// pycls_yaml: pycls's configurations to designs and back. In: a YAML file that trains a RegNetX or AnyNetX in pycls, or the same as JSON; out: its
// design.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <regnet/design/zoo.hpp>

struct PyclsConfig {
  regnet::Design design;
  std::optional<int> resolution, classes;  // TRAIN.IM_SIZE and MODEL.NUM_CLASSES, where they are said
};

// What is missing has pycls's defaults, but the section of the network must be there. Settings that would make a network of another kind are refused,
// and so are unknown ones beside those that describe it; what only concerns training is passed over. Throws regnet::Error with file and line:
// not_found or io, bad_format (no YAML, no numbers), unsupported (other networks), invalid_argument (numbers that make no network).
PyclsConfig read_pycls_yaml(const std::string& file);

// The same of a file's text, without the file's name.
PyclsConfig parse_pycls_yaml(std::string_view yaml);

// The same of a configuration within a sweep's JSON. Nothing for a network of another kind.
std::optional<PyclsConfig> config_of_pycls(const nlohmann::ordered_json& config);

// A configuration that pycls accepts and that reads back to the same stages: of the numbers where pycls makes the same stages of them, else of the
// stages. The test size is 8/7 of the resolution, as 256 of 224.
std::string to_pycls_yaml(const regnet::Design& design, int classes, int resolution);
