// tar_writer: tars for the tests, written by libarchive.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

using TarMembers = std::vector<std::pair<std::string, std::string>>;  // name, content; a name that ends in a slash is a folder

// `filter`: none, gzip, zstd, xz or bzip2.
inline std::string write_tar(const std::string& path, const TarMembers& members, const std::string& filter = "none") {
  archive* writer = archive_write_new();
  const int filtered = filter == "gzip"    ? archive_write_add_filter_gzip(writer)
                       : filter == "zstd"  ? archive_write_add_filter_zstd(writer)
                       : filter == "xz"    ? archive_write_add_filter_xz(writer)
                       : filter == "bzip2" ? archive_write_add_filter_bzip2(writer)
                                           : archive_write_add_filter_none(writer);
  if (filtered != ARCHIVE_OK) throw std::runtime_error(filter);
  archive_write_set_format_pax_restricted(writer);
  if (archive_write_open_filename(writer, path.c_str()) != ARCHIVE_OK) throw std::runtime_error(path);
  for (const auto& [name, content] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, name.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_write_header(writer, entry);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return path;
}
