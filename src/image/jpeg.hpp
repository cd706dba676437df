// jpeg: a JPEG file's bytes in, an Image out, by libjpeg-turbo; also the EXIF orientation it carries.
#pragma once

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs it and does not include it
#include <string>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include <regnet/base/error.hpp>
#include <regnet/image/image.hpp>

#include "exif.hpp"
#include "limits.hpp"

namespace regnet::detail {

inline bool is_jpeg(Bytes bytes) { return bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff; }

// Calls visit(marker, payload) for the segments before the first scan. Bytes between segments are skipped, as libjpeg skips them.
template <class Visit>
void for_each_segment(Bytes bytes, Visit visit) {
  std::size_t at = 2;
  while (true) {
    while (at < bytes.size() && bytes[at] != 0xff) ++at;
    while (at < bytes.size() && bytes[at] == 0xff) ++at;
    if (at + 3 > bytes.size()) return;
    const std::uint8_t marker = bytes[at++];
    if (marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue;  // these have no length
    if (marker == 0xd9 || marker == 0xda) return;
    const std::size_t length = static_cast<std::size_t>(bytes[at]) << 8 | bytes[at + 1];
    if (length < 2 || length > bytes.size() - at) return;
    visit(marker, bytes.subspan(at + 2, length - 2));
    at += length;
  }
}

inline int jpeg_orientation(Bytes bytes) {
  constexpr std::array<std::uint8_t, 6> signature{'E', 'x', 'i', 'f', 0, 0};
  std::optional<int> orientation;
  for_each_segment(bytes, [&](std::uint8_t marker, Bytes payload) {
    if (marker != 0xe1 || payload.size() < signature.size() || orientation) return;
    if (std::equal(signature.begin(), signature.end(), payload.begin())) orientation = orientation_of(payload.subspan(signature.size()));
  });
  return orientation.value_or(1);
}

// Throws unsupported for the processes and precisions that are not ordinary JPEG. Newer libjpegs decode some of them; a result must not depend on that.
inline void refuse_other_processes(Bytes bytes) {
  for_each_segment(bytes, [](std::uint8_t marker, Bytes payload) {
    if (marker < 0xc0 || marker > 0xcf || marker == 0xc4 || marker == 0xc8 || marker == 0xcc) return;  // DHT, JPG and DAC lie among the frame markers
    if (marker % 4 == 3) fail(Code::unsupported, "JPEG: lossless JPEG, expected baseline or progressive");
    if (marker % 8 > 4) fail(Code::unsupported, "JPEG: hierarchical JPEG, expected baseline or progressive");
    if (!payload.empty() && payload[0] != 8) fail(Code::unsupported, "JPEG: samples of ", int{payload[0]}, " bits, expected 8");
  });
}

// One decompression. libjpeg reports an error by a callback that must not return, and exceptions must not cross C frames. So the callback jumps back into guarded(),
// which throws. Between the two lie only libjpeg and the step that guarded() was given: no step may own anything that needs a destructor.
class JpegDecoder {
 public:
  explicit JpegDecoder(Bytes bytes) : x_bytes(bytes) {
    x_decoder.err = jpeg_std_error(&x_report.base);
    x_report.base.error_exit = [](j_common_ptr decoder) { give_up(decoder); };
    x_report.base.emit_message = [](j_common_ptr decoder, int level) {
      if (level < 0 && is_damage(decoder->err->msg_code)) give_up(decoder);
    };
    x_report.base.output_message = [](j_common_ptr) {};
    x_progress.progress_monitor = [](j_common_ptr decoder) { stop_endless_scans(decoder); };
    guarded([&] { jpeg_create_decompress(&x_decoder); });
    x_decoder.progress = &x_progress;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&x_decoder); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Image decode() {
    guarded([&] {
      jpeg_mem_src(&x_decoder, x_bytes.data(), static_cast<unsigned long>(x_bytes.size()));
      jpeg_read_header(&x_decoder, TRUE);
    });
    check_header();
    const bool inks = x_decoder.num_components == 4;
    x_decoder.out_color_space = inks ? JCS_CMYK : JCS_RGB;  // libjpeg turns YCCK into CMYK, and grey into RGB
    x_decoder.dct_method = JDCT_ISLOW;
    x_decoder.do_fancy_upsampling = TRUE;
    Image image{static_cast<int>(x_decoder.image_width), static_cast<int>(x_decoder.image_height), {}};
    image.rgb.resize(std::size_t{x_decoder.image_width} * x_decoder.image_height * 3);
    std::vector<std::uint8_t> ink_row(inks ? std::size_t{x_decoder.image_width} * 4 : 0);
    guarded([&] { read_rows(image.rgb.data(), inks ? ink_row.data() : nullptr); });
    return image;  // what follows the last row does not matter, so jpeg_finish_decompress, which would read it, is not called
  }

 private:
  struct Report {
    jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to all
    std::jmp_buf jump;
  };

  [[noreturn]] static void give_up(j_common_ptr decoder) { std::longjmp(reinterpret_cast<Report*>(decoder->err)->jump, 1); }

  // After the other warnings (odd markers, bytes between segments) the pixels are still those that were encoded.
  static bool is_damage(int code) {
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE || code == JWRN_JPEG_EOF || code == JWRN_MUST_RESYNC;
  }

  // Each scan of a progressive file costs time for the whole image but may be a few bytes long. Encoders write ten.
  static void stop_endless_scans(j_common_ptr decoder) {
    constexpr int most_scans = 500;
    if (reinterpret_cast<j_decompress_ptr>(decoder)->input_scan_number <= most_scans) return;
    decoder->err->msg_code = JERR_BAD_PROGRESSION;
    give_up(decoder);
  }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(x_report.jump) != 0) fail_as_reported();
    step();
  }

  [[noreturn]] void fail_as_reported() {
    std::array<char, JMSG_LENGTH_MAX> message{};
    const int code = x_report.base.msg_code;
    if (code != JERR_BAD_PROGRESSION) x_report.base.format_message(reinterpret_cast<j_common_ptr>(&x_decoder), message.data());
    if (code == JERR_BAD_PROGRESSION) fail(Code::bad_format, "JPEG: the scans of a progressive image do not belong together, or are too many");
    if (code == JERR_OUT_OF_MEMORY)
      fail(Code::unsupported, "JPEG: not enough memory for ", x_decoder.image_width, " x ", x_decoder.image_height, " pixels");
    const bool unsupported = code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION || code == JERR_ARITH_NOTIMPL || code == JERR_NOT_COMPILED ||
                             code == JERR_CONVERSION_NOTIMPL || code == JERR_COMPONENT_COUNT || code == JERR_FRACT_SAMPLE_NOTIMPL;
    fail(unsupported ? Code::unsupported : Code::bad_format, "JPEG: ", message.data());
  }

  void check_header() const {
    const int components = x_decoder.num_components;
    check_pixel_count("JPEG", x_decoder.image_width, x_decoder.image_height);
    if (components != 1 && components != 3 && components != 4) fail(Code::unsupported, "JPEG: expected 1, 3 or 4 components, found ", components);
    std::uint64_t blocks = 0;
    for (int i = 0; i < components; ++i) blocks += std::uint64_t{x_decoder.comp_info[i].width_in_blocks} * x_decoder.comp_info[i].height_in_blocks;
    if (x_bytes.size() >= blocks / 8) return;  // a Huffman code takes a bit, and each block of 8 x 8 samples has one at least
    if (!x_decoder.arith_code)
      fail(Code::bad_format, "JPEG: truncated: ", x_bytes.size(), " bytes cannot hold ", x_decoder.image_width, " x ", x_decoder.image_height,
           " pixels");
    // Arithmetic coding has no lower bound: a uniform image takes next to nothing. So there are two limits, of which one must hold.
    constexpr std::uint64_t most_pixels = std::uint64_t{1} << 24;
    if (std::uint64_t{x_decoder.image_width} * x_decoder.image_height > most_pixels)
      fail(Code::unsupported, "JPEG: arithmetic coding of ", x_decoder.image_width, " x ", x_decoder.image_height, " pixels in ", x_bytes.size(),
           " bytes; expected at most ", most_pixels, " pixels, or a bit for each block");
  }

  void read_rows(std::uint8_t* rgb, std::uint8_t* ink_row) {
    jpeg_start_decompress(&x_decoder);
    for (; x_decoder.output_scanline < x_decoder.output_height; rgb += std::size_t{x_decoder.output_width} * 3) {
      JSAMPROW row = ink_row ? ink_row : rgb;
      jpeg_read_scanlines(&x_decoder, &row, 1);
      if (ink_row) inks_to_rgb(ink_row, x_decoder.output_width, rgb);
    }
  }

  // The file holds 255 - ink. Pillow computes (255 - k) - (255 - k) * c / 255, the quotient rounded.
  static void inks_to_rgb(const std::uint8_t* inks, std::size_t count, std::uint8_t* rgb) {
    for (std::size_t i = 0; i < count; ++i, inks += 4, rgb += 3) {
      const int light = inks[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - inks[c]) * light + 128;
        rgb[c] = static_cast<std::uint8_t>(light - ((product + (product >> 8)) >> 8));
      }
    }
  }

  Bytes x_bytes;
  jpeg_decompress_struct x_decoder{};
  jpeg_progress_mgr x_progress{};
  Report x_report{};
};

inline Image decode_jpeg(Bytes bytes) {
  refuse_other_processes(bytes);
  return JpegDecoder(bytes).decode();
}

}  // namespace regnet::detail
