#include <regnet/eval/dataset.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>

#include "eval/archive.hpp"
#include "eval/labels.hpp"

namespace regnet {

namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

// What a folder or tars hold.
struct Listing {
  std::vector<Sample> images;                       // without labels
  std::set<std::string> folders;                    // directly below the root
  std::map<std::string, std::string_view> classes;  // WebDataset: contents of .cls files by tar and key
  int ignored = 0;
  bool flat = false;  // some image is in no class folder
  std::vector<std::shared_ptr<const ByteOwner>> owners;
};

std::string first_folder(const std::string& name) {
  const std::size_t slash = name.find('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

// Folders

Listing list_folder(const fs::path& root) {
  Listing listing;
  std::error_code error, dangling;  // a link that leads nowhere is no folder
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error))
    if (!is_hidden(entry.path()) && entry.is_directory(dangling)) listing.folders.insert(entry.path().filename().string());
  if (error) fail(Code::io, root.string(), ": ", error.message());
  for (const fs::path& path : images_in(root, listing.ignored)) {
    const std::string name = path.lexically_relative(root).generic_string();
    listing.flat = listing.flat || first_folder(name).empty();
    listing.images.push_back({path, 0, name, {}});
  }
  return listing;
}

// Tars

// WebDataset's key: the name up to the first dot behind the last slash.
std::string webdataset_key(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return name.substr(0, name.find('.', slash == std::string::npos ? 0 : slash + 1));
}

void add_tar(const fs::path& path, Listing& listing) {
  Archive archive = open_archive(path);
  for (ArchiveMember& member : archive.members) {
    const fs::path inside(member.name);
    const bool hidden = std::any_of(inside.begin(), inside.end(), [](const fs::path& part) { return is_hidden(part); });
    if (hidden) ++listing.ignored;
    else if (is_image_name(member.name)) listing.images.push_back({path / inside, 0, member.name, member.bytes});
    else if (member.name.ends_with(".cls"))
      listing.classes.emplace(path.string() + "/" + webdataset_key(member.name),
                              std::string_view(reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size()));
    else ++listing.ignored;
  }
  listing.owners.insert(listing.owners.end(), archive.owners.begin(), archive.owners.end());
}

// A folder around all others ("val/n01440764/x.JPEG") is the packer's, not a class.
void strip_outer_folder(Listing& listing) {
  if (listing.images.empty()) return;
  const std::string outer = first_folder(listing.images[0].name) + "/";
  const bool common = outer.size() > 1 && std::all_of(listing.images.begin(), listing.images.end(), [&](const Sample& image) {
                        return image.name.starts_with(outer) && image.name.find('/', outer.size()) != std::string::npos;
                      });
  if (common)
    for (Sample& image : listing.images) image.name.erase(0, outer.size());
}

Listing list_tars(const std::vector<fs::path>& tars) {
  Listing listing;
  for (const fs::path& tar : tars) add_tar(tar, listing);
  strip_outer_folder(listing);
  for (const Sample& image : listing.images) {
    const std::string folder = first_folder(image.name);
    if (folder.empty()) listing.flat = true;
    else listing.folders.insert(folder);
  }
  return listing;
}

Listing list_unsorted(const fs::path& path) {
  if (!fs::exists(path)) fail(Code::not_found, path.string(), ": expected a folder of images or a tar, found nothing");
  if (!fs::is_directory(path)) {
    if (!is_archive_name(path)) fail(Code::unsupported, path.string(), ": expected a folder of images or a tar, found a file");
    return list_tars({path});
  }
  std::vector<fs::path> tars;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error))
    if (!is_hidden(entry.path()) && is_archive_name(entry.path()) && entry.is_regular_file(error)) tars.push_back(entry.path());
  std::sort(tars.begin(), tars.end());
  Listing listing = list_folder(path);
  if (tars.empty() || !listing.images.empty()) return listing;
  const int others = listing.ignored - static_cast<int>(tars.size());
  listing = list_tars(tars);
  listing.ignored += others;
  return listing;
}

Listing list(const fs::path& path) {
  Listing listing = list_unsorted(path);
  // Keys of WebDataset are unique in their shard only.
  if (!listing.classes.empty())
    for (Sample& image : listing.images)
      image.name = image.path.lexically_relative(fs::is_directory(path) ? path : path.parent_path()).generic_string();
  std::stable_sort(listing.images.begin(), listing.images.end(), [](const Sample& a, const Sample& b) { return a.name < b.name; });
  return listing;
}

// Labels

// Sets the labels by `label_of(name of the folder)`.
template <class LabelOf>
std::string label_by_folder(Listing& listing, const char* how, LabelOf label_of) {
  std::map<std::string, int> labels;
  for (const std::string& folder : listing.folders) labels[folder] = label_of(folder);
  for (Sample& image : listing.images) image.label = labels.at(first_folder(image.name));
  return how;
}

std::string label_folders(Listing& listing, const fs::path& path, const DatasetOptions& options) {
  const std::vector<std::string> names(listing.folders.begin(), listing.folders.end());
  const auto all = [&](auto holds) { return std::all_of(names.begin(), names.end(), holds); };
  const auto position_in = [](const std::vector<std::string>& known) {
    return [&known](const std::string& name) { return static_cast<int>(std::find(known.begin(), known.end(), name) - known.begin()); };
  };
  const bool one_per_class = static_cast<int>(names.size()) == options.classes;
  if (all(is_wnid) && !(one_per_class && options.classes != 1000))
    return label_by_folder(listing, "class folders, WordNet ids", [&](const std::string& name) {
      const int label = imagenet_label(name);
      if (label < 0) fail(Code::mismatch, (path / name).string(), ": not one of the 1000 WordNet ids of ImageNet");
      return label;
    });
  if (all([](const std::string& name) { return number_label(name) >= 0; })) {
    const auto is = [&](int number) {
      return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return number_label(name) == number; });
    };
    if (options.order == LabelOrder::ilsvrc)
      return label_by_folder(listing, "class folders, ILSVRC2012_IDs", [&](const std::string& name) {
        const int label = devkit_label(number_label(name));
        if (label < 0) fail(Code::mismatch, (path / name).string(), ": expected an ILSVRC2012_ID from 1 to 1000");
        return label;
      });
    // Class indices of 1000 classes end at 999, so this is another numbering.
    if (options.order == LabelOrder::automatic && options.classes == 1000 && is(1000) && !is(0))
      fail(Code::invalid_argument, path.string(),
           ": folders 1 to 1000 are no class indices; ids of ILSVRC's development kit? --labels-order ilsvrc says so");
    return label_by_folder(listing, "class folders, numbered", [](const std::string& name) { return number_label(name); });
  }
  const std::vector<std::string>& known = options.class_names;
  if (all([&](const std::string& name) { return std::count(known.begin(), known.end(), name) == 1; }))
    return label_by_folder(listing, "class folders, by class name", position_in(known));
  if (one_per_class) return label_by_folder(listing, "class folders, sorted", position_in(names));
  fail(Code::invalid_argument, path.string(), ": expected class folders named by WordNet id, number or class name, or ", options.classes,
       " folders of any names, found ", names.size(), " such as '", names.front(), "'");
}

void label_by_order(Listing& listing, const std::vector<int>& labels, const fs::path& path, const fs::path& file) {
  const bool numbered =
      std::all_of(listing.images.begin(), listing.images.end(), [](const Sample& image) { return image_number(image_key(image.name)) > 0; });
  if (!numbered && labels.size() != listing.images.size())
    fail(Code::mismatch, file.string(), ": ", labels.size(), " labels for ", listing.images.size(), " images in ", path.string());
  for (std::size_t i = 0; i < listing.images.size(); ++i) {
    Sample& image = listing.images[i];
    const std::size_t at = numbered ? static_cast<std::size_t>(image_number(image_key(image.name))) - 1 : i;
    if (at >= labels.size()) fail(Code::mismatch, image.path.string(), ": there are only ", labels.size(), " labels in ", file.string());
    image.label = labels[at];
  }
}

void label_by_name(Listing& listing, std::unordered_map<std::string, int> labels, const fs::path& path, const fs::path& file) {
  for (Sample& image : listing.images) {
    const auto label = labels.find(image_key(image.name));
    if (label == labels.end())
      fail(Code::mismatch, image.path.string(), ": no label for it in ", file.string(), ", or another image has the same name");
    image.label = label->second;
    labels.erase(label);
  }
  if (!labels.empty())
    fail(Code::mismatch, file.string(), ": ", labels.size(), " of its images are not in ", path.string(), ", such as ",
         in_quotes(labels.begin()->first));
}

std::string label_by_file(Listing& listing, const fs::path& path, const DatasetOptions& options) {
  const MappedFile file(options.labels);
  const std::string_view text{reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  Labels labels = parse_labels(text, options.labels.string(), options.order);
  if (labels.by_name.empty()) label_by_order(listing, labels.by_order, path, options.labels);
  else label_by_name(listing, std::move(labels.by_name), path, options.labels);
  return "labels file, " + labels.form;
}

std::string label_by_shards(Listing& listing) {
  for (Sample& image : listing.images) {
    const std::string path = image.path.generic_string();
    const auto content = listing.classes.find(webdataset_key(path));
    std::string_view text = content == listing.classes.end() ? std::string_view() : content->second;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
    image.label = number_label(text);
    if (image.label < 0) fail(Code::mismatch, path, ": expected its class in a .cls file beside it, found ", text.empty() ? "none" : in_quotes(text));
  }
  return "WebDataset shards";
}

std::string label(Listing& listing, const fs::path& path, const DatasetOptions& options) {
  if (!options.labels.empty()) return label_by_file(listing, path, options);
  if (!listing.classes.empty()) return label_by_shards(listing);
  if (listing.flat)
    fail(Code::invalid_argument, path.string(), ": ",
         std::count_if(listing.images.begin(), listing.images.end(), [](const Sample& image) { return first_folder(image.name).empty(); }),
         " images are not in class folders; name their labels with --labels FILE");
  return label_folders(listing, path, options);
}

}  // namespace

std::vector<fs::path> images_in(const fs::path& folder, int& ignored) {
  std::vector<fs::path> images;
  try {
    for (auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink); entry != fs::end(entry); ++entry) {
      const bool hidden = is_hidden(entry->path());
      if (entry->is_directory() && !hidden) continue;
      if (entry->is_directory()) entry.disable_recursion_pending();
      if (!hidden && is_image_name(entry->path().filename().string())) images.push_back(entry->path());
      else ++ignored;
    }
  } catch (const fs::filesystem_error& error) {  // no permission, a link that leads to itself
    fail(Code::io, (error.path1().empty() ? folder : error.path1()).string(), ": ", error.code().message());
  }
  std::sort(images.begin(), images.end());
  return images;
}

Dataset open_dataset(const fs::path& path, const DatasetOptions& options) {
  Listing listing = list(path);
  if (listing.images.empty()) fail(Code::invalid_argument, path.string(), ": expected images, found none");
  Dataset dataset;
  dataset.labelling = label(listing, path, options);
  dataset.ignored = listing.ignored;
  dataset.owners = std::move(listing.owners);
  dataset.samples = std::move(listing.images);
  for (const Sample& sample : dataset.samples)
    if (sample.label >= options.classes && !options.allow_beyond)
      fail(Code::mismatch, sample.path.string(), ": label ", sample.label, ", but the network has ", options.classes,
           " classes, numbered from 0 (regnet doctor tells whether the labels count from 1)");
  return dataset;
}

LabelOrder parse_label_order(std::string_view name) {
  if (name == "auto") return LabelOrder::automatic;
  if (name == "classes") return LabelOrder::classes;
  if (name == "ilsvrc") return LabelOrder::ilsvrc;
  fail(Code::invalid_argument, "label order: expected auto, classes or ilsvrc, found ", in_quotes(name));
}

Dataset spread_sample(Dataset dataset, int count) {
  const std::size_t total = dataset.samples.size(), wanted = static_cast<std::size_t>(std::max(count, 0));
  if (wanted >= total) return dataset;
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < wanted; ++i) samples.push_back(dataset.samples[i * total / wanted]);
  dataset.samples = std::move(samples);
  return dataset;
}

}  // namespace regnet
