// How long loading the largest zoo network takes beside reading and copying its file once, and how much memory it needs beside the weights it keeps.
// Usage: load_bench [MODEL [ROUNDS]]. Each load is a process of its own, so that its peak is its own; the file is in the page cache. Times are medians.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regnet/design/zoo.hpp>
#include <regnet/model.hpp>
#include <regnet/weights/safetensors.hpp>
#include <regnet/weights/synthetic.hpp>

#include "weights/writers.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

void write_safetensors_file(const regnet::TensorMap& tensors, const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::binary);
  regnet::Checkpoint checkpoint;
  checkpoint.tensors = tensors;
  write_safetensors(checkpoint, [&](std::span<const std::byte> bytes) {
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
}

void write_zip_file(const regnet::TensorMap& tensors, const std::filesystem::path& path) {
  namespace writers = regnet::writers;
  writers::Items items;
  std::vector<writers::StorageData> storages;
  for (const regnet::NamedTensor& tensor : tensors) {
    const std::string key = std::to_string(items.size());
    const regnet::TensorView& view = tensor.view;
    const std::int64_t count = regnet::element_count(view.shape);
    items.emplace_back(tensor.name, writers::tensor(writers::storage("FloatStorage", key, count), 0, view.shape, view.strides));
    storages.push_back({key, count, {reinterpret_cast<const char*>(view.storage.data()), view.storage.size()}});
  }
  std::ofstream file(path, std::ios::binary);
  file << writers::torch_zip(writers::ordered_dict(items), storages);
}

// What any loader has to do at least: bring the bytes into the process and put them where they stay.
double read_and_copy(const std::filesystem::path& path) {
  const Clock::time_point start = Clock::now();
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(path));
  const std::unique_ptr<char, decltype(&std::free)> read(static_cast<char*>(std::malloc(size)), &std::free),
      kept(static_cast<char*>(std::malloc(size)), &std::free);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::size_t at = 0;
  for (ssize_t count = 1; count > 0; at += static_cast<std::size_t>(count)) count = ::read(file, read.get() + at, size - at);
  ::close(file);
  std::memcpy(kept.get(), read.get(), size);
  const double milliseconds = milliseconds_since(start);
  if (at != size || std::memcmp(kept.get() + size / 2, read.get() + size / 2, 16) != 0) throw std::runtime_error("cannot read " + path.string());
  return milliseconds;
}

double load(const std::filesystem::path& path) {
  const Clock::time_point start = Clock::now();
  const regnet::Model model = regnet::load_model(path);
  return milliseconds_since(start);
}

struct Measured {
  double milliseconds = 0;
  double peak_mib = 0;
};

template <class Work>
Measured in_a_process(Work work) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    double milliseconds = -1;
    try {
      milliseconds = work();
    } catch (const std::exception& error) {
      std::cerr << error.what() << '\n';
    }
    const bool told = ::write(ends[1], &milliseconds, sizeof milliseconds) == sizeof milliseconds;
    std::_Exit(told ? 0 : 1);
  }
  Measured measured;
  const bool heard = ::read(ends[0], &measured.milliseconds, sizeof measured.milliseconds) == sizeof measured.milliseconds;
  rusage usage{};
  ::wait4(child, nullptr, 0, &usage);
  ::close(ends[0]);
  ::close(ends[1]);
  if (!heard || measured.milliseconds < 0) throw std::runtime_error("the measured process failed");
  measured.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;
  return measured;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const char* container, const std::filesystem::path& path, double weights_mib, int rounds) {
  std::vector<double> floor, loading, ratios, peaks;
  for (int i = 0; i < rounds; ++i) {
    floor.push_back(in_a_process([&] { return read_and_copy(path); }).milliseconds);
    const Measured loaded = in_a_process([&] { return load(path); });
    loading.push_back(loaded.milliseconds);
    ratios.push_back(loading.back() / floor.back());
    peaks.push_back(loaded.peak_mib);
  }
  std::printf("%-12s %8.0f ms reading and copying, %8.0f ms loading, ratio %.2f; peak %.0f MiB, %.2f x the weights' %.0f MiB + %.0f MiB\n", container,
              median(floor), median(loading), median(ratios), median(peaks), 1.15, weights_mib, median(peaks) - 1.15 * weights_mib);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string model = argc > 1 ? argv[1] : "regnetx_32gf";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("regnet-load-bench-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  // The files are made in a process too, or what it needs would count for all that are forked from this one.
  double weights_mib = 0;
  const double bytes = in_a_process([&]() -> double {
                         const regnet::Graph graph = regnet::build(regnet::to_stages(regnet::find_design(model).params));
                         const regnet::TensorMap tensors = regnet::synthetic_weights(regnet::parameters(graph));
                         write_safetensors_file(tensors, folder / "weights.safetensors");
                         write_zip_file(tensors, folder / "weights.pth");
                         double folded = 0;
                         for (const regnet::NamedTensor& tensor : tensors)
                           if (tensor.view.shape.size() > 1 || tensor.name.ends_with("bias"))
                             folded += static_cast<double>(tensor.view.storage.size());
                         return folded;
                       }).milliseconds;
  weights_mib = bytes / (1 << 20);
  measure("safetensors", folder / "weights.safetensors", weights_mib, rounds);
  measure("torch-zip", folder / "weights.pth", weights_mib, rounds);
  std::filesystem::remove_all(folder);
}
