// labels: the text of a labels file in, a label for each image name, or a list of them in the order of the images, out.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <regnet/eval/dataset.hpp>

namespace regnet {

struct Labels {
  std::string form;                              // how the file was read, for people
  std::unordered_map<std::string, int> by_name;  // by image_key; empty when the file is a list
  std::vector<int> by_order;
};

// Knows four forms:
// - lines "name label" or "name,label", split at the last separator, the label a class index (with `order` ilsvrc an id of the development kit) or a WordNet id,
//   folders in front of a name left out;
// - Kaggle's "name,wnid box box..." with a line of names;
// - one WordNet id per line;
// - one number per line, class indices or ids of ILSVRC's development kit: `order` says which, or a 0 (no such id) or a thousand (no such class) does.
// Blank lines and comments are passed over. Throws bad_format, with `where` and the line in front, for a line that fits no form and a name that comes twice,
// and invalid_argument for numbers that could be both.
Labels parse_labels(std::string_view text, const std::string& where, LabelOrder order = LabelOrder::automatic);

// An image's name without folders and without the extension of an image, since lists often lack that or spell it otherwise.
std::string image_key(const std::string& name);

// The number i of a key like ILSVRC2012_val_0000000i, or -1.
int image_number(const std::string& key);

// Told by the extension. Includes formats that decode_image refuses: such a file is a broken image of the data set, not a file to overlook.
bool is_image_name(const std::string& name);

// A WordNet id has an n and eight digits.
bool is_wnid(std::string_view name);

// The class index of a WordNet id, or of an ILSVRC2012_ID, among ImageNet's 1000, or -1.
int imagenet_label(std::string_view wnid);
int devkit_label(int id);

// A number from 0 up in decimal digits, or -1.
int number_label(std::string_view text);

}  // namespace regnet
