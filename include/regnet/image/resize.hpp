// resize: the resamplers behind the published accuracies, reproduced to the last bit. In: pixels and a target size; out: pixels.
// All of them throw invalid_argument when the source has no pixels (or rgb of another size than width x height x 3), the target has none,
// or the window does not lie in the target.
#pragma once

#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/image/image.hpp>

namespace regnet {

// Pillow's names of them: Image.BILINEAR and Image.BICUBIC.
enum class PillowFilter { bilinear, bicubic };

// The part of the resized image that is wanted, in target pixels. The pixels are those of the whole resized image, and the cost and memory those of the part:
// without it, a picture one pixel high would ask for gigabytes before its centre is cut out.
struct Window {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

// Pillow's Image.resize for uint8: separable, antialiased (the support grows when shrinking), 22-bit fixed point, rounded to 8 bits between the passes.
// Equal in every byte to Pillow.
REGNET_API Image resize_pillow(const Image& src, int width, int height, PillowFilter filter);
REGNET_API Image resize_pillow(const Image& src, int width, int height, PillowFilter filter, const Window& window);

// OpenCV's INTER_LINEAR for uint8: two taps, 11-bit fixed point, no antialiasing. Equal in every byte to OpenCV.
REGNET_API Image resize_opencv(const Image& src, int width, int height);
REGNET_API Image resize_opencv(const Image& src, int width, int height, const Window& window);

// OpenCV's INTER_LINEAR for float pixels, which are the source's grey levels / divisor. Returns height x width x 3 values, not rounded.
// Equal in every bit to OpenCV's own code; its x86 builds prefer IPP, which departs from that by up to 0.008 of 255.
REGNET_API std::vector<float> resize_opencv_float(const Image& src, int width, int height);
REGNET_API std::vector<float> resize_opencv_float(const Image& src, int width, int height, const Window& window, float divisor = 1);

}  // namespace regnet
