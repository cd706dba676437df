#include "image_list.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include <regnet/base/error.hpp>
#include <regnet/eval/dataset.hpp>

std::vector<std::string> expand_images(const std::vector<std::string>& arguments) {
  std::vector<std::string> images;
  for (const std::string& argument : arguments) {
    if (argument == "-") {
      for (std::string line; std::getline(std::cin, line);)
        if (!line.empty()) images.push_back(line);
    } else if (std::filesystem::is_directory(argument)) {
      int ignored = 0;
      const std::vector<std::filesystem::path> found = regnet::images_in(argument, ignored);
      if (found.empty()) regnet::fail(regnet::Code::invalid_argument, argument, ": expected images, found none (", ignored, " other files)");
      for (const std::filesystem::path& path : found) images.push_back(path.string());
    } else {
      images.push_back(argument);
    }
  }
  if (images.empty()) regnet::fail(regnet::Code::invalid_argument, "expected images, found an empty list");
  return images;
}
