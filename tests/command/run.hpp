// run: the regnet command as scripts use it. Arguments in, exit code, output and peak memory out.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/temporary_folder.hpp"

struct Result {
  int exit_code = -1;
  std::string out, err;
  long peak_kib = 0;  // resident memory

  [[nodiscard]] auto error_lines() const { return std::count(err.begin(), err.end(), '\n'); }
};

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs the command with a shell, so arguments are quoted as a person would. `before` is what the person types in front, such as a variable.
inline Result run_regnet(const std::string& arguments, const std::string& before = "") {
  const TemporaryFolder folder;
  const std::string errors = (folder.path() / "stderr").string();
  const std::string line = before + " '" REGNET_COMMAND "' " + arguments + " 2>'" + errors + "'";
  int ends[2];
  Result result;
  if (::pipe(ends) != 0) return result;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::array<char, 4096> buffer;
  for (ssize_t n; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;) result.out.append(buffer.data(), static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.err = read(errors);
  result.peak_kib = usage.ru_maxrss;
  return result;
}

// Bad input: exit 2, nothing on stdout, one line on stderr that contains `part`.
inline Result expect_refused(const std::string& arguments, const std::string& part) {
  SCOPED_TRACE(arguments);
  Result result = run_regnet(arguments);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.error_lines(), 1) << result.err;
  EXPECT_TRUE(result.err.starts_with("regnet: ")) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  return result;
}
