// convert as scripts use it: what it refuses, what it leaves alone, and that a converted file predicts as its source does.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

std::string golden(const std::string& file) { return std::string(REGNET_TEST_DIR) + "/golden/checkpoints/" + file; }

class ConvertCommand : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& file) const { return (folder.path() / file).string(); }
  void convert(const std::string& in, const std::string& out, const std::string& options = "") const {
    const Result outcome = run_regnet("convert '" + in + "' '" + out + "' " + options);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  // Exit 2, one line on stderr, nothing on stdout, and no file that was not there.
  void expect_refused(const std::string& in, const std::string& out, const std::string& options, const std::string& part) const {
    const auto files = [&] { return std::distance(std::filesystem::recursive_directory_iterator(folder.path()), {}); };
    const auto before = files();
    const Result outcome = run_regnet("convert '" + in + "' '" + out + "' " + options);
    EXPECT_EQ(outcome.exit_code, 2) << part;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_EQ(files(), before) << part;
  }
  TemporaryFolder folder;
};

TEST_F(ConvertCommand, KeepsNetworkClassesAndPreprocessingThroughEveryNaming) {
  for (const char* file : {"mmcls-legacy.pth", "pycls-zip.pth", "torchvision.safetensors", "timm-zip.pth", "views.pth", "module-prefix.pth"}) {
    const Json source = Json::parse(run_regnet("inspect -o json '" + golden(file) + "'").out);
    for (const char* naming : {"pycls", "mmcls", "timm", "torchvision", "transformers"}) {
      SCOPED_TRACE(std::string(file) + " to " + naming);
      convert(golden(file), path("out.safetensors"), std::string("--force --naming ") + naming);
      const Json found = Json::parse(run_regnet("inspect -o json '" + path("out.safetensors") + "'").out);
      EXPECT_EQ(found["container"], "safetensors");
      EXPECT_EQ(found["naming"], naming);
      for (const char* key : {"model", "classes", "class_names", "dtype", "tensors", "params", "preset", "problems"})
        EXPECT_EQ(found[key], source[key]) << key;
    }
  }
}

TEST_F(ConvertCommand, ThereAndBackIsTheSameFile) {
  convert(golden("timm.safetensors"), path("there.safetensors"), "--naming transformers");
  convert(path("there.safetensors"), path("back.safetensors"), "--naming timm");
  convert(golden("timm.safetensors"), path("same.safetensors"));
  EXPECT_TRUE(read(path("back.safetensors")) == read(golden("timm.safetensors")));
  EXPECT_TRUE(read(path("same.safetensors")) == read(golden("timm.safetensors")));
}

// torchvision's first weights are told from its second by the published file name alone, which a new name would lose.
TEST_F(ConvertCommand, ThePresetOfAPublishedFileNameIsWrittenDown) {
  const std::string published = path("regnet_x_400mf-adf1edd5.pth");
  std::filesystem::copy_file(golden("torchvision-zip.pth"), published);
  convert(published, path("out.safetensors"));
  EXPECT_EQ(Json::parse(run_regnet("inspect -o json '" + path("out.safetensors") + "'").out)["preset"], "torchvision-v1");
}

TEST_F(ConvertCommand, TheEntryThatIsAskedForIsTakenAndNamed) {
  convert(golden("ema.pth"), path("ema.safetensors"), "--weights-key state_dict_ema");
  convert(golden("ema.pth"), path("model.safetensors"));
  EXPECT_NE(read(path("ema.safetensors")).find(R"("regnet.weights_key":"state_dict_ema")"), std::string::npos);
  EXPECT_NE(read(path("model.safetensors")).find(R"("regnet.weights_key":"state_dict")"), std::string::npos);
}

TEST_F(ConvertCommand, NothingIsReplacedWithoutForceAndTheSourceNever) {
  const std::string precious = folder.write("precious.safetensors", "precious");
  expect_refused(golden("timm-zip.pth"), precious, "", "--force");
  EXPECT_EQ(read(precious), "precious");
  convert(golden("timm-zip.pth"), precious, "--force -q");
  EXPECT_NE(read(precious), "precious");
  std::filesystem::create_hard_link(precious, path("alias.safetensors"));
  for (const char* name : {"precious.safetensors", "alias.safetensors"}) expect_refused(precious, path(name), "--force", "the file to read");
  expect_refused(golden("timm-zip.pth"), folder.path().string(), "--force", "no regular file");
}

TEST_F(ConvertCommand, InputsThatAreNoneAreRefusedAndLeaveNothing) {
  expect_refused("/no/such.pth", path("out.safetensors"), "", "/no/such.pth");
  expect_refused(golden("evil-tensor.pth"), path("out.safetensors"), "", "posix.system");
  expect_refused(golden("timm-zip.pth"), path("nowhere/out.safetensors"), "", "nowhere");
  expect_refused(golden("timm-zip.pth"), path("out.safetensors"), "--naming keras", "keras");
  expect_refused(golden("timm-zip.pth"), path("out.safetensors"), "--weights-key none_such", "none_such");
  expect_refused(folder.write("other.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10)), path("out.safetensors"), "--naming timm", "no tensors");
}

TEST_F(ConvertCommand, AFolderThatCannotBeWrittenIsNamed) {
  if (::geteuid() == 0) {
    expect_refused(golden("timm-zip.pth"), "/proc/out.safetensors", "", "/proc");  // permissions do not bind root
    return;
  }
  std::filesystem::create_directory(path("closed"));
  std::filesystem::permissions(path("closed"), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  expect_refused(golden("timm-zip.pth"), path("closed/out.safetensors"), "", "closed");
}

// A limit on the size of files stands in for a full disk.
TEST_F(ConvertCommand, AWriteThatFailsHalfwayLeavesNothing) {
  const std::string script = folder.write("limited.sh", "trap '' XFSZ\nulimit -f 8\nexec '" REGNET_COMMAND "' convert '" + golden("timm-zip.pth") +
                                                            "' '" + path("out.safetensors") + "' 2>/dev/null\n");
  const int status = std::system(("sh '" + script + "'").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 2);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
