#include "journal.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "json.hpp"
#include "text_file.hpp"

namespace {

constexpr std::string_view journal_magic = "# regnet journal ";

// The rows of a text as far as they are sound; `used` receives how many bytes they are.
std::vector<regnet::ImageResult> sound_rows(const std::string& text, const std::string& path, int total, std::size_t& used) {
  std::vector<regnet::ImageResult> results;
  std::set<int> seen;
  const std::string names = regnet::predictions_header();
  used = text.starts_with(names) ? names.size() : 0;
  while (used > 0 && used < text.size()) {
    // A record may span lines, so more of them are tried until it is whole.
    std::size_t end = used;
    std::vector<regnet::ImageResult> row;
    for (int lines = 0; row.empty() && lines < 16 && (end = text.find('\n', end)) != std::string::npos; ++lines) {
      ++end;
      try {
        const regnet::Predictions parsed = regnet::parse_predictions(names + text.substr(used, end - used), path);
        if (parsed.total == total) row = parsed.images;
      } catch (const regnet::Error&) {}
    }
    if (row.size() != 1 || !seen.insert(row[0].index).second) break;
    results.push_back(std::move(row[0]));
    used = end;
  }
  return results;
}

std::string difference(const nlohmann::ordered_json& found, const nlohmann::ordered_json& expected) {
  for (const auto& [key, value] : expected.items())
    if (!found.contains(key) || found[key] != value)
      return key + ": expected " + value.dump() + ", found " + (found.contains(key) ? found[key].dump() : "none");
  return "it holds more";
}

}  // namespace

Journal::Journal(const std::string& path, const nlohmann::ordered_json& run, int total) : x_path(path), x_total(total) {
  x_file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (x_file < 0) regnet::fail(regnet::Code::io, path, ": ", std::strerror(errno));
  if (::flock(x_file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) regnet::fail(regnet::Code::io, path, ": another run writes to this journal");
    regnet::fail(regnet::Code::io, path, ": cannot be locked against other runs: ", std::strerror(errno), " (a file system without locks?)");
  }
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const std::size_t line = content.find('\n');
  std::size_t sound = 0;
  if (line != std::string::npos) {
    const std::string_view first_line = std::string_view(content).substr(0, line);
    const nlohmann::ordered_json found = first_line.starts_with(journal_magic)
                                             ? naming(path, [&] { return parse_json(first_line.substr(journal_magic.size())); })
                                             : nlohmann::ordered_json();
    if (!found.is_object()) regnet::fail(regnet::Code::bad_format, path, ": expected a journal of regnet eval, found another file");
    if (found != run) regnet::fail(regnet::Code::mismatch, path, ": is the journal of another run: ", difference(found, run));
    x_known = sound_rows(content.substr(line + 1), path, total, sound);
    sound = sound > 0 ? sound + line + 1 : 0;
  } else if (!content.empty() && !content.starts_with(journal_magic.substr(0, content.size()))) {
    regnet::fail(regnet::Code::bad_format, path, ": expected a journal of regnet eval, found another file");
  }
  if (::ftruncate(x_file, static_cast<off_t>(sound)) != 0 || ::lseek(x_file, 0, SEEK_END) < 0)
    regnet::fail(regnet::Code::io, path, ": ", std::strerror(errno));
  if (sound == 0)
    write(std::string(journal_magic) + run.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n" +
          regnet::predictions_header());
}

Journal::~Journal() {
  if (x_file < 0) return;
  ::fdatasync(x_file);
  ::close(x_file);
}

void Journal::add(const std::vector<regnet::ImageResult>& results) {
  std::ostringstream rows;
  regnet::write_rows({x_total, results}, rows);
  write(rows.str());
  const auto now = std::chrono::steady_clock::now();
  if (now - x_synced < std::chrono::milliseconds(500)) return;
  ::fdatasync(x_file);
  x_synced = now;
}

void Journal::write(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(x_file, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) regnet::fail(regnet::Code::io, x_path, ": ", std::strerror(written < 0 ? errno : EIO));
    at += static_cast<std::size_t>(written);
  }
}
