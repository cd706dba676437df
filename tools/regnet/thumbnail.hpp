// thumbnail: an image of a data set in, a small JPEG in the form in which HTML holds it out.
#pragma once

#include <string>

#include <regnet/eval/dataset.hpp>

// "data:image/jpeg;base64,...", the longer side at most `side` pixels; empty when the image cannot be read.
std::string thumbnail(const regnet::Sample& sample, int side);
