// Data sets in tars, and labels in all their forms.
#include <gtest/gtest.h>

#include <fstream>

#include <regnet/base/imagenet.hpp>
#include <regnet/eval/dataset.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"
#include "eval/labels.hpp"
#include "eval/tar_writer.hpp"

namespace regnet {
namespace {

const char* const filters[] = {"none", "gzip", "zstd", "xz", "bzip2"};

std::string ending_of(const std::string& filter) {
  return filter == "none" ? ".tar" : filter == "gzip" ? ".tar.gz" : filter == "zstd" ? ".tar.zst" : filter == "xz" ? ".tar.xz" : ".tar.bz2";
}

std::string content_of(const Sample& sample) {
  if (!sample.bytes) {
    std::ifstream file(sample.path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  return {reinterpret_cast<const char*>(sample.bytes->data()), sample.bytes->size()};
}

std::string lines_of(const Dataset& dataset) {
  std::string lines;
  for (const Sample& sample : dataset.samples) lines += text(sample.name, ' ', sample.label, ' ', content_of(sample).size(), '\n');
  return lines;
}

TarMembers members() {
  TarMembers members{{"0/", ""},
                     {"0/a.jpg", std::string(3000, 'a')},
                     {"0/b.png", "b"},
                     {"0/._b.png", "resource fork"},
                     {"2/c.JPEG", std::string(100'000, 'c')},
                     {"10/empty.jpg", ""},
                     {"10/notes.txt", "no image"},
                     {".hidden/d.jpg", "d"}};
  for (int i = 0; i < 20; ++i)
    members.emplace_back("1/" + std::to_string(i) + ".jpg", std::string(static_cast<std::size_t>(i) * 700, static_cast<char>('a' + i)));
  return members;
}

TEST(TarDataset, EqualsTheFolderWhateverTheCompression) {
  const TemporaryFolder folder;
  for (const auto& [name, content] : members())
    if (!name.ends_with('/')) folder.write("tree/" + name, content);
  const Dataset tree = open_dataset(folder.path() / "tree", {.classes = 11});
  ASSERT_EQ(tree.samples.size(), 24u);
  EXPECT_EQ(tree.ignored, 3);
  for (const std::string filter : filters)
    for (const std::string outer : {"", "./", "val/", "./val/"}) {
      TarMembers wrapped = members();
      for (auto& [name, content] : wrapped) name = outer + name;
      const Dataset dataset = open_dataset(write_tar((folder.path() / ("set" + ending_of(filter))).string(), wrapped, filter), {.classes = 11});
      EXPECT_EQ(lines_of(dataset), lines_of(tree)) << filter << outer;
      EXPECT_EQ(dataset.labelling, tree.labelling);
      EXPECT_EQ(dataset.ignored, tree.ignored);
      for (std::size_t i = 0; i < dataset.samples.size(); ++i) EXPECT_EQ(content_of(dataset.samples[i]), content_of(tree.samples[i]));
    }
}

TEST(TarDataset, ThatIsCutOrDamagedIsRefusedByName) {
  const TemporaryFolder folder;
  for (const std::string filter : filters) {
    const std::string path = write_tar((folder.path() / ("set" + ending_of(filter))).string(), members(), filter);
    std::ifstream file(path, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(file), {}};
    for (const double part : {0.1, 0.5, 0.9}) {
      const std::string cut = whole.substr(0, static_cast<std::size_t>(part * static_cast<double>(whole.size())));
      EXPECT_REGNET_ERROR(open_dataset(folder.write("cut" + ending_of(filter), cut), {.classes = 11}), Code::bad_format, "cut" + ending_of(filter));
    }
  }
  EXPECT_REGNET_ERROR(open_dataset(folder.write("no.tar", "no tar at all"), {.classes = 11}), Code::bad_format, "no.tar: not a tar");
  EXPECT_REGNET_ERROR(open_dataset(write_tar((folder.path() / "none.tar").string(), {{"a.txt", "x"}}), {.classes = 11}), Code::invalid_argument,
                      "expected images, found none");
  EXPECT_REGNET_ERROR(open_dataset(write_tar((folder.path() / "flat.tar").string(), {{"a.jpg", "x"}}), {.classes = 11}), Code::invalid_argument,
                      "1 images are not in class folders; name their labels with --labels");
}

TEST(WebDataset, ShardsGiveTheClassBesideEachImage) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "shards");
  write_tar((folder.path() / "shards/set-000.tar").string(),
            {{"000.jpg", "first"}, {"000.cls", "7"}, {"001.jpg", "second"}, {"001.cls", "3\n"}, {"001.json", "{}"}});
  write_tar((folder.path() / "shards/set-001.tar.gz").string(), {{"000.cls", "0"}, {"000.png", "third"}}, "gzip");
  const Dataset dataset = open_dataset(folder.path() / "shards", {.classes = 10});
  EXPECT_EQ(lines_of(dataset), "set-000.tar/000.jpg 7 5\nset-000.tar/001.jpg 3 6\nset-001.tar.gz/000.png 0 5\n");
  EXPECT_EQ(dataset.labelling, "WebDataset shards");
  EXPECT_EQ(dataset.ignored, 1);
  EXPECT_EQ(open_dataset(folder.path() / "shards/set-000.tar", {.classes = 10}).samples.size(), 2u);
  EXPECT_REGNET_ERROR(open_dataset(folder.path() / "shards", {.classes = 5}), Code::mismatch, "label 7, but the network has 5 classes");
  write_tar((folder.path() / "shards/set-002.tar").string(), {{"x.jpg", "x"}, {"y.cls", "1"}});
  EXPECT_REGNET_ERROR(open_dataset(folder.path() / "shards", {.classes = 10}), Code::mismatch,
                      "x.jpg: expected its class in a .cls file beside it, found none");
}

// Six validation images in all the forms that people have lists in.
TEST(LabelsFile, AllFormsGiveTheSameLabels) {
  const TemporaryFolder folder;
  const std::vector<int> expected{65, 970, 230, 809, 516, 57};  // the first six of ILSVRC's validation set
  std::string names, kaggle = "ImageId,PredictionString\n", comma, wnids, devkit, indices = "";
  for (int i = 0; i < 6; ++i) {
    const std::string key = "ILSVRC2012_val_0000000" + std::to_string(i + 1);
    folder.write("val/" + key + ".JPEG");
    const ImagenetClass& wanted = imagenet_classes()[static_cast<std::size_t>(expected[static_cast<std::size_t>(i)])];
    const std::string wnid(wanted.wnid);
    names += "val/" + key + ".jpeg " + std::to_string(expected[static_cast<std::size_t>(i)]) + "\r\n";
    kaggle += key + "," + wnid + " 85 1 499 272 " + wnid + " 3 4 5 6 \n";
    comma += key + ".JPEG," + wnid + "\n";
    wnids += wnid + "\n";
    devkit += std::to_string(wanted.devkit_id) + "\n";
    indices += std::to_string(expected[static_cast<std::size_t>(i)]) + "\n";
  }
  const auto labels_with = [&](const std::string& content, LabelOrder order = LabelOrder::automatic) {
    std::vector<int> labels;
    for (const Sample& sample :
         open_dataset(folder.path() / "val", {.labels = folder.write("labels", content), .classes = 1000, .order = order}).samples)
      labels.push_back(sample.label);
    return labels;
  };
  for (const std::string& content : {names, kaggle, comma, wnids, devkit + "1000\n", indices + "0\n"})
    EXPECT_EQ(labels_with(content), expected) << content;
  EXPECT_EQ(labels_with(devkit, LabelOrder::ilsvrc), expected);
  EXPECT_EQ(labels_with(indices, LabelOrder::classes), expected);
  EXPECT_REGNET_ERROR(labels_with(devkit), Code::invalid_argument, "--labels-order");
  EXPECT_REGNET_ERROR(labels_with(wnids.substr(0, 30)), Code::mismatch, "there are only 3 labels");
  EXPECT_REGNET_ERROR(labels_with(wnids + "n00000000\n"), Code::bad_format, "labels:7: expected a WordNet id of ImageNet, found 'n00000000'");
  EXPECT_REGNET_ERROR(labels_with("1001\n0\n", LabelOrder::ilsvrc), Code::bad_format,
                      "labels:1: expected an ILSVRC2012_ID from 1 to 1000, found 1001");
  // The first lines of the kit's ground truth, as published.
  EXPECT_EQ(devkit, "490\n361\n171\n822\n297\n482\n");
}

TEST(LabelsFile, AListForImagesWithoutNumbersFollowsTheirNames) {
  const TemporaryFolder folder;
  for (const char* name : {"b.jpg", "a.jpg", "c.jpg"}) folder.write(std::string("flat/") + name);
  const Dataset dataset = open_dataset(folder.path() / "flat", {.labels = folder.write("labels", "0\n2\n1\n"), .classes = 3});
  EXPECT_EQ(lines_of(dataset), "a.jpg 0 0\nb.jpg 2 0\nc.jpg 1 0\n");
  EXPECT_REGNET_ERROR(open_dataset(folder.path() / "flat", {.labels = folder.write("labels", "0\n2\n"), .classes = 3}), Code::mismatch,
                      "2 labels for 3 images");
}

// A thousand folders numbered from 1 are ids of the kit, whose order is its own: taken for class indices they give an accuracy of chance.
TEST(ClassFolders, NumberedFromOneToThousandAreAskedAbout) {
  const TemporaryFolder folder;
  for (const char* id : {"1", "490", "1000"}) folder.write(std::string(id) + "/a.jpg");
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {.classes = 1000}), Code::invalid_argument, "--labels-order ilsvrc");
  const Dataset dataset = open_dataset(folder.path(), {.classes = 1000, .order = LabelOrder::ilsvrc});
  EXPECT_EQ(lines_of(dataset), text("1/a.jpg ", imagenet_label("n02119789"), " 0\n1000/a.jpg ", devkit_label(1000), " 0\n490/a.jpg 65 0\n"));
}

TEST(ImagenetClasses, HaveEachIdOfTheDevelopmentKitOnce) {
  for (int id = 1; id <= 1000; ++id) EXPECT_GE(devkit_label(id), 0) << id;
  EXPECT_EQ(devkit_label(0), -1);
  EXPECT_EQ(devkit_label(1001), -1);
  EXPECT_EQ(imagenet_classes()[static_cast<std::size_t>(devkit_label(1))].wnid, "n02119789");  // kit fox
}

}  // namespace
}  // namespace regnet
