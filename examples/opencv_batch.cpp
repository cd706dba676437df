// Pictures that OpenCV holds (BGR, 8 bits, of any sizes), all answered by one run of the network.
// Usage: opencv_batch WEIGHTS IMAGE...
#include <exception>
#include <iostream>
#include <span>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include <regnet/regnet.hpp>

namespace {

// The same pixels as red, green, blue without gaps between the rows, which a Mat may have when it is a part of a larger one.
regnet::Image to_image(const cv::Mat& bgr) {
  if (bgr.type() != CV_8UC3) regnet::fail(regnet::Code::invalid_argument, "expected a Mat of type CV_8UC3, found ", cv::typeToString(bgr.type()));
  regnet::Image image{bgr.cols, bgr.rows, std::vector<std::uint8_t>(3 * bgr.total())};
  cv::Mat rgb(bgr.rows, bgr.cols, CV_8UC3, image.rgb.data());  // a view of the image's memory
  const int from_to[] = {0, 2, 1, 1, 2, 0};
  cv::mixChannels(&bgr, 1, &rgb, 1, from_to, 3);
  return image;
}

void classify_all(const char* weights, const std::vector<const char*>& paths) {
  const int batch = static_cast<int>(paths.size());
  regnet::LoadOptions options;
  options.compile.expected.batch = batch;  // what weights are packed for
  const regnet::Model model = regnet::load_model(weights, options);
  const auto pixels = static_cast<std::size_t>(model.plan.input_dims().count()), classes = static_cast<std::size_t>(model.plan.classes());
  std::vector<float> input(paths.size() * pixels), logits(paths.size() * classes);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    // imread turns a photo as its EXIF says unless it is told not to. The accuracies of pycls and mmcls were measured with turning, all others without.
    const cv::Mat picture = cv::imread(paths[i], cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (picture.empty()) regnet::fail(regnet::Code::not_found, paths[i], ": OpenCV reads no picture there");
    // Resizing is a part of the recipe: cv::resize in front of it would change the accuracy.
    regnet::preprocess(to_image(picture), model.recipe, std::span(input).subspan(i * pixels, pixels));
  }
  regnet::Session session(model.plan, {.batch = batch});
  session.run(input, logits);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const regnet::Prediction best = regnet::predictions(model, std::span(logits).subspan(i * classes, classes), 1).front();
    std::cout << best.probability << ' ' << best.name << "  " << paths[i] << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: opencv_batch WEIGHTS IMAGE...\n";
    return 2;
  }
  try {
    classify_all(argv[1], {argv + 2, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "opencv_batch: " << error.what() << '\n';
    return 2;
  }
}
