// The page about populations: what is on it, what is left out, and that nothing in a file's name or rows becomes markup. Errors and latencies here are made up.
#include <gtest/gtest.h>

#include <sstream>
#include <string_view>
#include <vector>

#include "command/run.hpp"

namespace {

int count_of(const std::string& page, std::string_view words) {
  int count = 0;
  for (std::size_t at = page.find(words); at != std::string::npos; at = page.find(words, at + 1)) ++count;
  return count;
}

// The first tag that closes nothing, or is left open; empty for none.
std::string broken_tag(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    if (end == std::string::npos) return page.substr(at, 40);
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag.starts_with('!') || tag.ends_with('/')) continue;
    const std::string name = tag.substr(tag.starts_with('/'), tag.find(' ') - tag.starts_with('/'));
    if (!tag.starts_with('/')) {
      open.push_back(name.substr(0, tag.find(' ')));
    } else {
      if (open.empty() || open.back() != name) return page.substr(at, 40);
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

void expect_sound(const std::string& page) {
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_EQ(broken_tag(page), "");
  EXPECT_EQ(count_of(page, "<script"), 0);
  EXPECT_EQ(count_of(page, "http"), count_of(page, "<svg xmlns=\"http://www.w3.org/2000/svg\""));  // the name of SVG, which is never fetched
  for (const char* number : {"\"nan", "\"-nan", "\"inf", "\"-inf"}) EXPECT_EQ(count_of(page, number), 0) << number;
}

std::string report(const TemporaryFolder& folder, const std::string& arguments) {
  const std::string file = (folder.path() / "page.html").string();
  const Result result = run_regnet("design report '" + file + "' " + arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const std::string page = read(file);
  expect_sound(page);
  return page;
}

void expect_parts(const std::string& page, const std::vector<const char*>& parts) {
  for (const char* part : parts) EXPECT_NE(page.find(part), std::string::npos) << part;
}

// RegNets whose errors and latencies depend on their numbers.
std::string rows_of(int n) {
  std::ostringstream out;
  out << "w0,wa,wm,d,g,error,latency_ms\n";
  for (int i = 0; i < n; ++i) {
    const int d = 12 + i % 17, w_0 = 8 * (1 + i % 13);
    out << w_0 << ',' << 8 + i % 101 / 2.0 << ',' << 2 + i % 7 / 10.0 << ',' << d << ",8," << 30 + d % 5 + i % 11 / 8.0 << ',' << d * w_0 / 100.0
        << '\n';
  }
  return out.str();
}

TEST(DesignReport, HoldsAllOfTwoPopulationsInOneFile) {
  const TemporaryFolder folder;
  const std::string first = folder.write("wide.csv", rows_of(60));
  const std::string second = folder.write("known.csv", "design,error\nregnetx_400mf,27.4\nregnetx_3.2gf,21.7\n\"ds=1-2,ws=32-64,gs=16\",60\n");
  const std::string page = report(folder, "'" + first + "' '" + second + "' --title 'Two populations'");
  expect_parts(page, {"<h1>Two populations</h1>", "known: 3 | 21.70 | 36.37", "wide: 60 | ", "<h2>Errors</h2>", "<h2>What errors hang on</h2>",
                      "<h2>Latency</h2>", "<h2>Distributions</h2>", "<h2>Networks</h2>", "known: the lowest errors", "known: the highest errors",
                      "wide: 60 networks", "known: no latencies", "21.70% error", "widths 96 192 432 1008", ">best value</th>", ">MACs</text>"});
  EXPECT_EQ(count_of(page, "<figure>"), 2 * 4 + 2 * 1);
  EXPECT_EQ(count_of(page, "Left out"), 0);
  EXPECT_EQ(count_of(page, "are drawn, evenly"), 0);
}

TEST(DesignReport, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  const std::string page = report(folder, "'" + folder.write("one.csv", "design\n\"ds=1-2,ws=32-64,gs=16\"\n") + "'");
  EXPECT_EQ(count_of(page, "Left out: no network has an error."), 2);
  expect_parts(page, {"Left out: no network has a latency", "given by their stages: w0, wa, wm, g.", "one: its one network", "groups of 16 16"});
  EXPECT_EQ(count_of(page, "<svg"), 5 + 1);  // d, stages, MACs, params and activations, and the network
}

TEST(DesignReport, NamesPublishedNetworksAndDrawsTheirFront) {
  const TemporaryFolder folder;
  const auto row = [](const char* design, const char* ms, const char* more) {
    return std::string(R"({"design": ")") + design + R"(", "latency_ms": )" + ms + more + "}";
  };
  const std::string file = folder.write(
      "timed.json", "[" + row("regnetx_200mf", "2", R"(, "fronts": ["latency"])") + "," + row("regnetx_3.2gf", "20", R"(, "fronts": ["latency"])") +
                        "," + row("regnetx_400mf", "30", R"(, "latency": "predicted")") + "," + row("regnet_x_400mf", "31", "") + "," +
                        row("w0=24,wa=24.48,wm=2.54,d=20,g=16", "5", "") + "]");
  const std::string page = report(folder, "'" + file + "'");
  expect_parts(page, {">200MF</text>", ">3.2GF</text>", ">400MF (torchvision)</text>", "RegNetX-400MF: 30 ms (predicted)", "class=\"crosses s0\"",
                      "class=\"front\"", "class=\"ring s0\"", "no other network has more MACs in less time", "timed: the least time for a MAC"});
  EXPECT_EQ(count_of(page, "class=\"ring s0\""), 2);
}

TEST(DesignReport, ThinsThousandsOfNetworks) {
  const TemporaryFolder folder;
  const std::string page = report(folder, "'" + folder.write("many.csv", rows_of(10000)) + "'");
  EXPECT_EQ(count_of(page, "Of 10000 networks 3000 are drawn, evenly chosen."), 2);
  EXPECT_LT(page.size(), 1u << 20);
}

// Latencies from nothing to the largest that is believed, equal errors: every picture still has finite places.
TEST(DesignReport, DrawsExtremes) {
  const TemporaryFolder folder;
  const auto draw = [&](const std::string& rows) { report(folder, "'" + folder.write("x.csv", "design,error,latency_ms\n" + rows) + "'"); };
  draw("regnetx_200mf,27,1e9\nregnetx_400mf,27,1e-300\nregnetx_600mf,27,0\n");
  draw("regnetx_200mf,0,1e9\nregnetx_400mf,100,0\n");
  draw("regnetx_200mf,27,1e9\nregnetx_400mf,27,999999999.9999999\n");
  draw("regnetx_200mf,27,5e-324\n");
}

// One network of three has an error: they are ranked by what all have.
TEST(DesignReport, RanksByWhatCanBeCompared) {
  const TemporaryFolder folder;
  const std::string page = report(folder, "'" + folder.write("some.csv", "design,error\nregnetx_200mf,31\nregnetx_400mf,\nregnetx_600mf,\n") + "'");
  expect_parts(page, {"some: the fewest MACs", "some: the most MACs", "some: 1 | 31.00 | 31.00"});
  EXPECT_EQ(count_of(page, "its one network"), 0);
}

TEST(DesignReport, TakesNamesAsText) {
  const TemporaryFolder folder;
  const std::string file = folder.write("<script>&\"\x1b.csv", "design,error\nregnetx_400mf,27\n");
  const std::string page = report(folder, "--title '<script>1' '" + file + "'");
  expect_parts(page, {"<h1>&lt;script&gt;1</h1>", "&lt;script&gt;&amp;&quot;\\x1b: 1 | 27.00 | 27.00"});
  // Equal stems are told apart by their folders.
  std::filesystem::create_directories(folder.path() / "other");
  const std::string a = folder.write("sample.csv", "design\nregnetx_400mf\n");
  std::filesystem::copy_file(a, folder.path() / "other/sample.csv");
  expect_parts(report(folder, "'" + a + "' '" + (folder.path() / "other/sample.csv").string() + "'"), {"other/sample.csv: its one network"});
}

TEST(DesignReport, DoesNotOverwriteAListOfDesigns) {
  const TemporaryFolder folder;
  const std::string rows = "design\nregnetx_400mf\n", file = folder.write("a.csv", rows), page = (folder.path() / "page.html").string();
  expect_refused("design report '" + file + "' '" + file + "'", "OUT.html");
  EXPECT_EQ(read(file), rows);
  expect_refused("design report '" + page + "'", "file");
  expect_refused("design report '" + page + "' '" + folder.write("none.json", "[]") + "'", "expected designs, found none");
  expect_refused("design report '" + page + "' '" + folder.write("part.csv", "design,error\nregnetx_400mf,270\n") + "'",
                 "expected an error in percent");
  expect_refused("design report '" + page + "' '" + folder.write("slow.csv", "design,latency_ms\nregnetx_400mf,1e10\n") + "'",
                 "regnetx_400mf: expected a latency in milliseconds, found 1e+10");
  expect_refused("design report /nowhere/page.html '" + file + "'", "/nowhere/page.html: cannot be written");
  EXPECT_FALSE(std::filesystem::exists(page));
  std::filesystem::create_directory(page);
  expect_refused("design report '" + page + "' '" + file + "'", "page.html: exists and is no regular file");
  std::filesystem::remove(page);
  std::filesystem::create_symlink("/dev/full", page);
  expect_refused("design report '" + page + "' '" + file + "'", "page.html: exists and is no regular file");
  std::filesystem::remove(page);
  report(folder, "'" + file + "'");
  report(folder, "'" + file + "'");  // an earlier page is replaced
}

}  // namespace
