#include <regnet/eval/dataset.hpp>

#include <gtest/gtest.h>

#include <regnet/base/imagenet.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"

namespace regnet {
namespace {

std::vector<int> labels_of(const Dataset& dataset) {
  std::vector<int> labels;
  for (const Sample& sample : dataset.samples) labels.push_back(sample.label);
  return labels;
}

using Labels = std::vector<int>;

TEST(ImagenetClasses, AreThousandInTheOrderOfTheirIds) {
  const auto classes = imagenet_classes();
  ASSERT_EQ(classes.size(), 1000u);
  for (std::size_t i = 1; i < classes.size(); ++i) EXPECT_LT(classes[i - 1].wnid, classes[i].wnid);
  EXPECT_EQ(classes[0].wnid, "n01440764");
  EXPECT_EQ(classes[65].wnid, "n01751748");  // sea snake, the label of the first validation image
}

// Frameworks number the folders they find, so three classes of a thousand get the labels 0, 1, 2 there and an accuracy of chance.
TEST(Dataset, WordNetIdsKeepTheirImageNetLabelsInAPartialTree) {
  const TemporaryFolder folder;
  for (const char* wnid : {"n01443537", "n02085936", "n15075141"}) folder.write(std::string(wnid) + "/a.JPEG");
  const Dataset dataset = open_dataset(folder.path(), {{}, 1000, {}});
  EXPECT_EQ(labels_of(dataset), (Labels{1, 153, 999}));
  EXPECT_EQ(dataset.labelling, "class folders, WordNet ids");
}

TEST(Dataset, WordNetIdsOfANetworkWithItsOwnClassesAreSorted) {
  const TemporaryFolder folder;
  for (const char* wnid : {"n01443537", "n02085936", "n15075141"}) folder.write(std::string(wnid) + "/a.JPEG");
  EXPECT_EQ(labels_of(open_dataset(folder.path(), {{}, 3, {}})), (Labels{0, 1, 2}));
}

TEST(Dataset, AnUnknownWordNetIdIsRefused) {
  const TemporaryFolder folder;
  folder.write("n01443537/a.jpg");
  folder.write("n99999999/a.jpg");
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 1000, {}}), Code::mismatch, "n99999999: not one of the 1000");
}

TEST(Dataset, NumberedFoldersAreNumbersNotStrings) {
  const TemporaryFolder folder;
  for (const char* name : {"0", "2", "10"}) folder.write(std::string(name) + "/a.png");
  EXPECT_EQ(labels_of(open_dataset(folder.path(), {{}, 11, {}})), (Labels{0, 10, 2}));
}

TEST(Dataset, FoldersNamedAsTheClassesAreMatchedByName) {
  const TemporaryFolder folder;
  for (const char* name : {"boat", "car"}) folder.write(std::string(name) + "/a.png");
  EXPECT_EQ(labels_of(open_dataset(folder.path(), {{}, 3, {"car", "plane", "boat"}})), (Labels{2, 0}));
  EXPECT_EQ(labels_of(open_dataset(folder.path(), {{}, 2, {}})), (Labels{0, 1}));
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 3, {}}), Code::invalid_argument, "found 2 such as 'boat'");
}

TEST(Dataset, HiddenAndForeignFilesAreIgnoredAndCounted) {
  const TemporaryFolder folder;
  for (const char* file : {"0/a.jpg", "0/b.PNG", "0/c.jpeg", "0/deeper/d.jpg", "0/.DS_Store", "0/._a.jpg", "0/readme.txt", "0/.cache/thumbnail.jpg",
                           ".hidden", "notes.md"})
    folder.write(file);
  const Dataset dataset = open_dataset(folder.path(), {{}, 1, {}});
  EXPECT_EQ(dataset.samples.size(), 4u);
  EXPECT_EQ(dataset.ignored, 6);  // the hidden folder is one
}

TEST(Dataset, LinksThatLeadNowhereAreOtherFiles) {
  const TemporaryFolder folder;
  folder.write("0/a.jpg");
  for (int i = 0; i < 30; ++i) std::filesystem::create_symlink("nowhere", folder.path() / ("link" + std::to_string(i)));
  EXPECT_EQ(open_dataset(folder.path(), {{}, 1, {}}).ignored, 30);
}

TEST(Dataset, ALinkThatLeadsToItselfIsAnErrorNotALoop) {
  const TemporaryFolder folder;
  folder.write("0/a.jpg");
  std::filesystem::create_directory_symlink("..", folder.path() / "0/up");
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 1, {}}), Code::io, (folder.path() / "0").string());
}

TEST(Dataset, ALabelBeyondTheNetworkNamesFileAndLabel) {
  const TemporaryFolder folder;
  folder.write("0/a.jpg");
  folder.write("21/b.jpg");
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 20, {}}), Code::mismatch, "21/b.jpg: label 21, but the network has 20 classes");
}

// A flat folder once evaluated as one class, at 0.1%.
TEST(Dataset, AFlatFolderNeedsALabelsFile) {
  const TemporaryFolder folder;
  folder.write("a.jpg");
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 10, {}}), Code::invalid_argument, "--labels");
}

TEST(Dataset, ALabelsFileMayHoldNumbersOrWordNetIdsAndPrefixes) {
  const TemporaryFolder folder;
  const TemporaryFolder& images = folder;
  for (const char* file : {"val/b c.JPEG", "val/a.JPEG", "val/z.JPEG"}) images.write(file);
  const std::string labels = folder.write("labels.txt", "# name label\r\nval/a.JPEG 65\r\nb c.JPEG,n01443537\nz.JPEG\t970\n\n");
  const Dataset dataset = open_dataset(folder.path() / "val", {labels, 1000, {}});
  EXPECT_EQ(labels_of(dataset), (Labels{65, 1, 970}));
}

// The order was once heeded for bare numbers only, and an accuracy of chance came of numbers beside names.
TEST(Dataset, NumbersBesideNamesAreWhatTheOrderSays) {
  const TemporaryFolder folder;
  const TemporaryFolder& images = folder;
  for (const char* file : {"val/a.JPEG", "val/b.JPEG"}) images.write(file);
  const auto labels_with = [&](const std::string& content, LabelOrder order) {
    return labels_of(open_dataset(folder.path() / "val", {folder.write("labels.txt", content), 1000, {}, order}));
  };
  EXPECT_EQ(labels_with("a 490\nb n01443537\n", LabelOrder::ilsvrc), (Labels{65, 1}));
  EXPECT_EQ(labels_with("a 490\nb n01443537\n", LabelOrder::classes), (Labels{490, 1}));
  EXPECT_EQ(labels_with("a 490\nb n01443537\n", LabelOrder::automatic), (Labels{490, 1}));
  EXPECT_REGNET_ERROR(labels_with("a 490\nb 0\n", LabelOrder::ilsvrc), Code::bad_format,
                      "labels.txt:2: expected an ILSVRC2012_ID from 1 to 1000, found '0'");
}

TEST(Dataset, ALabelsFileThatDoesNotFitTheFolderIsRefused) {
  const TemporaryFolder folder;
  folder.write("val/a.jpg");
  const auto open_with = [&](const std::string& content) {
    return open_dataset(folder.path() / "val", {folder.write("labels.txt", content), 10, {}});
  };
  EXPECT_EQ(open_with("a.jpg 3\n").samples.size(), 1u);
  EXPECT_REGNET_ERROR(open_with("b.jpg 3\n"), Code::mismatch, "a.jpg: no label for it");
  EXPECT_REGNET_ERROR(open_with("a.jpg 3\nb.jpg 3\n"), Code::mismatch, "1 of its images are not in");
  EXPECT_REGNET_ERROR(open_with("a.jpg 3\na.jpg 4\n"), Code::bad_format, "labels.txt:2: 'a.jpg' is listed twice");
  EXPECT_REGNET_ERROR(open_with("a.jpg three\n"), Code::bad_format, "labels.txt:1: expected 'name label'");
  EXPECT_REGNET_ERROR(open_with("a.jpg -1\n"), Code::bad_format, "expected 'name label'");
  EXPECT_REGNET_ERROR(open_with("a.jpg 10\n"), Code::mismatch, "label 10, but the network has 10 classes");
  EXPECT_REGNET_ERROR(open_dataset(folder.path() / "val", {"/no/such/file", 10, {}}), Code::not_found, "/no/such/file");
}

TEST(Dataset, NoImagesIsAnError) {
  const TemporaryFolder folder;
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 10, {}}), Code::invalid_argument, "expected images, found none");
  std::filesystem::create_directories(folder.path() / "0");
  EXPECT_REGNET_ERROR(open_dataset(folder.path(), {{}, 10, {}}), Code::invalid_argument, "expected images, found none");
  EXPECT_REGNET_ERROR(open_dataset(folder.path() / "missing", {{}, 10, {}}), Code::not_found, "expected a folder of images");
  EXPECT_REGNET_ERROR(open_dataset(folder.write("file.bin"), {{}, 10, {}}), Code::unsupported, "found a file");
}

}  // namespace
}  // namespace regnet
