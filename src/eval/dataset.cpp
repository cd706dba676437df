#include <regnet/eval/dataset.hpp>

#include <algorithm>
#include <array>
#include <unordered_map>

#include <regnet/base/error.hpp>
#include <regnet/base/mapped_file.hpp>

#include "eval/labels.hpp"

namespace regnet {

namespace {

namespace fs = std::filesystem;

// Includes formats that decode_image refuses: such a file is a broken image of the data set, not a file to overlook.
bool is_image(const fs::path& path) {
  static constexpr std::array extensions{".jpg", ".jpeg", ".jpe", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"};
  std::string extension = path.extension().string();
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

struct Labelling {
  std::string name;
  std::vector<int> labels;  // one per folder
};

// `names` is sorted.
Labelling label_folders(const fs::path& path, const std::vector<std::string>& names, const DatasetOptions& options) {
  const auto all = [&](auto holds) { return std::all_of(names.begin(), names.end(), holds); };
  const auto labelled = [&](const char* how, auto label_of) {
    Labelling labelling{how, {}};
    for (const std::string& name : names) labelling.labels.push_back(label_of(name));
    return labelling;
  };
  const auto position_in = [](const std::vector<std::string>& list) {
    return [&list](const std::string& name) { return static_cast<int>(std::find(list.begin(), list.end(), name) - list.begin()); };
  };
  const bool one_per_class = static_cast<int>(names.size()) == options.classes;
  if (all(is_wnid) && !(one_per_class && options.classes != 1000))
    return labelled("class folders, WordNet ids", [&](const std::string& name) {
      const int label = imagenet_label(name);
      if (label < 0) fail(Code::mismatch, (path / name).string(), ": not one of the 1000 WordNet ids of ImageNet");
      return label;
    });
  if (all([](const std::string& name) { return number_label(name) >= 0; }))
    return labelled("class folders, numbered", [](const std::string& name) { return number_label(name); });
  const std::vector<std::string>& known = options.class_names;
  if (all([&](const std::string& name) { return std::count(known.begin(), known.end(), name) == 1; }))
    return labelled("class folders, by class name", position_in(known));
  if (one_per_class) return labelled("class folders, sorted", position_in(names));
  fail(Code::invalid_argument, path.string(), ": expected class folders named by WordNet id, number or class name, or ", options.classes,
       " folders of any names, found ", names.size(), " such as '", names.front(), "'");
}

Dataset open_class_folders(const fs::path& path, const std::vector<std::string>& names, const DatasetOptions& options, int ignored) {
  const Labelling labelling = label_folders(path, names, options);
  Dataset dataset{{}, labelling.name, ignored};
  for (std::size_t i = 0; i < names.size(); ++i)
    for (fs::path& image : images_in(path / names[i], dataset.ignored)) dataset.samples.push_back({std::move(image), labelling.labels[i]});
  std::stable_sort(dataset.samples.begin(), dataset.samples.end(), [](const Sample& a, const Sample& b) { return a.label < b.label; });
  return dataset;
}

Dataset open_flat(const fs::path& path, const DatasetOptions& options) {
  Dataset dataset{{}, "labels file", 0};
  const MappedFile file(options.labels);
  const std::string_view text{reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  std::unordered_map<std::string, int> labels = parse_labels(text, options.labels.string());
  for (fs::path& image : images_in(path, dataset.ignored)) {
    const auto found = labels.find(image.filename().string());
    if (found == labels.end()) fail(Code::mismatch, image.string(), ": no label for it in ", options.labels.string());
    dataset.samples.push_back({std::move(image), found->second});
    labels.erase(found);
  }
  if (!labels.empty())
    fail(Code::mismatch, options.labels.string(), ": ", labels.size(), " of its images are not in ", path.string(), ", such as ",
         labels.begin()->first);
  return dataset;
}

}  // namespace

std::vector<fs::path> images_in(const fs::path& folder, int& ignored) {
  std::vector<fs::path> images;
  try {
    for (auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink); entry != fs::end(entry); ++entry) {
      const bool hidden = is_hidden(entry->path());
      if (entry->is_directory() && !hidden) continue;
      if (entry->is_directory()) entry.disable_recursion_pending();
      if (!hidden && is_image(entry->path())) images.push_back(entry->path());
      else ++ignored;
    }
  } catch (const fs::filesystem_error& error) {  // no permission, a link that leads to itself
    fail(Code::io, folder.string(), ": ", error.code().message(), " below it");
  }
  std::sort(images.begin(), images.end());
  return images;
}

Dataset open_dataset(const fs::path& path, const DatasetOptions& options) {
  if (!fs::is_directory(path))
    fail(fs::exists(path) ? Code::unsupported : Code::not_found, path.string(), ": expected a folder of images, found ",
         fs::exists(path) ? "a file" : "nothing");
  std::vector<std::string> folders;
  int images = 0, others = 0;
  std::error_code error, dangling;  // a link that leads nowhere is no folder
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (is_hidden(entry.path())) ++others;
    else if (entry.is_directory(dangling)) folders.push_back(entry.path().filename().string());
    else ++(is_image(entry.path()) ? images : others);
  }
  if (error) fail(Code::io, path.string(), ": ", error.message());
  std::sort(folders.begin(), folders.end());
  if (options.labels.empty() && images > 0)
    fail(Code::invalid_argument, path.string(), ": ", images, " images are not in class folders; name their labels with --labels FILE");
  if (options.labels.empty() && folders.empty()) fail(Code::invalid_argument, path.string(), ": expected images, found none");
  Dataset dataset = options.labels.empty() ? open_class_folders(path, folders, options, others) : open_flat(path, options);
  if (dataset.samples.empty()) fail(Code::invalid_argument, path.string(), ": expected images, found none");
  for (const Sample& sample : dataset.samples)
    if (sample.label >= options.classes)
      fail(Code::mismatch, sample.path.string(), ": label ", sample.label, ", but the network has ", options.classes, " classes");
  return dataset;
}

}  // namespace regnet
