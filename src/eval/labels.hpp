// labels: the text of a labels file in, a label for each image name out.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace regnet {

// Lines "name label" or "name,label", split at the last separator; the label is a number or a WordNet id. Blank lines and comments are passed over, folders
// in front of a name are left out. Throws bad_format, with `where` and the line in front, for a line that is none and for a name that comes twice.
std::unordered_map<std::string, int> parse_labels(std::string_view text, const std::string& where);

// A WordNet id has an n and eight digits.
bool is_wnid(std::string_view name);

// The class index of a WordNet id among ImageNet's 1000, or -1.
int imagenet_label(std::string_view wnid);

// A number from 0 up in decimal digits, or -1.
int number_label(std::string_view text);

}  // namespace regnet
