// Runs that are killed, torn and interrupted, and go on.
#include <gtest/gtest.h>

#include <random>

#include <nlohmann/json.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

std::string quoted(const std::filesystem::path& path) { return "'" + path.string() + "'"; }

// A journal cut anywhere, with or without garbage behind the cut as a lost machine may leave it, is continued to what one run gives.
TEST(Journal, CutAnywhereIsContinuedToTheSamePredictions) {
  const TemporaryFolder folder;
  const std::filesystem::path journal = folder.path() / "journal", predictions = folder.path() / "predictions.csv";
  const std::string arguments = "eval -q -o json --limit 200 --journal " + quoted(journal) + " --predictions " + quoted(predictions);
  const Json whole = Json::parse(run_regnet(arguments).out);
  const std::string expected = read(predictions), complete = read(journal);
  EXPECT_EQ(whole["n"], 200);
  ASSERT_GT(complete.size(), 10'000u);
  std::mt19937 random(1);
  for (int trial = 0; trial < 12; ++trial) {
    const std::size_t size = trial == 0 ? 0 : trial == 1 ? 5 : trial == 2 ? complete.size() : random() % complete.size();
    const std::string garbage = trial % 3 == 0 ? "" : trial % 3 == 1 ? std::string(300, '\0') : "12,200,x\n";
    // With a line of garbage behind half of its first line a journal cannot be told from another file.
    folder.write("journal", complete.substr(0, size) + (size > complete.find('\n') ? garbage : ""));
    const Result result = run_regnet(arguments + (trial % 2 ? " --threads 1 --batch 64" : " --threads 2 --batch 7"));
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(read(predictions), expected) << size;
    const Json json = Json::parse(result.out);
    for (const char* key : {"n", "top1_correct", "top5_correct", "errors", "top1_ci95", "partial"}) EXPECT_EQ(json[key], whole[key]) << key;
  }
}

TEST(Journal, OfAnotherRunOrNoJournalIsRefusedAndKept) {
  const TemporaryFolder folder;
  const std::string journal = quoted(folder.path() / "journal");
  ASSERT_EQ(run_regnet("eval -q --limit 20 --journal " + journal).exit_code, 0);
  const std::string before = read(folder.path() / "journal");
  expect_refused("eval -q --limit 30 --journal " + journal, "is the journal of another run: images: expected 30, found 20");
  expect_refused("eval -q --limit 20 --resize 70 --journal " + journal, "is the journal of another run: preset");
  expect_refused("eval -q --limit 20 --shard 1/2 --journal " + journal, "is the journal of another run: shard");
  EXPECT_EQ(read(folder.path() / "journal"), before);
  const std::string other = folder.write("notes.txt", "something\nelse\n");
  expect_refused("eval -q --limit 20 --journal '" + other + "'", "expected a journal of regnet eval, found another file");
  EXPECT_EQ(read(other), "something\nelse\n");
}

// Ctrl-C: what is there is reported as partial, and the journal goes on from it.
TEST(Journal, AnInterruptedRunReportsWhatItHas) {
  const TemporaryFolder folder;
  const std::string run = "eval -q -o json --backend reference --threads 1 --batch 1 --journal " + quoted(folder.path() / "journal");
  // The shell interrupts the command as soon as its journal has rows.
  const Result result = run_regnet(run + " & while [ $(cat " + quoted(folder.path() / "journal") +
                                   " 2>/dev/null | wc -l) -lt 5 ]; do :; done; kill -INT $!; wait $!; exit $?");
  EXPECT_EQ(result.exit_code, 130) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["partial"], true);
  EXPECT_EQ(json["listed"], 1000);
  EXPECT_GT(json["n"], 0);
  EXPECT_LT(json["n"], 1000);
}

}  // namespace
