// What people name on the command line as images, as a list of files.
#pragma once

#include <string>
#include <vector>

// Replaces "-" by the lines of stdin and each folder by the image files below it, sorted. A file is kept as it is, whatever its name, and whether it exists or not.
// Throws regnet::Error invalid_argument when a folder, or all of it, has no images.
std::vector<std::string> expand_images(const std::vector<std::string>& arguments);
