// Whole files in and out: written to a temporary name beside the target, synced and renamed, so
// that a reader sees the old file or the new one and never half of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muonflow {

// Throws IoError (missing, a folder, unreadable).
std::vector<std::byte> read_file(const std::filesystem::path& path);
std::string read_text_file(const std::filesystem::path& path);

// A file opened for reading whose size is known, for formats that are read piece by piece.
class InputFile {
 public:
  // Throws IoError (missing, not a regular file, unreadable).
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const { return size_; }
  // Fills `bytes` from where the last read ended. Throws IoError when the file ends before.
  void read(std::span<std::byte> bytes);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// A file that appears under its name only at commit(), whole and synced; without commit() nothing
// of it remains. For contents too large to hold twice.
class AtomicFile {
 public:
  // Throws IoError naming the cause (no such folder, not writable, the target is not a file).
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws IoError (disk full, quota, a limit of file size).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // Syncs the file, renames it to its target and syncs the folder. Throws IoError.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;    // as the caller named it, for messages
  std::filesystem::path target_;  // with a symbolic link followed: the link stays a link
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

// Atomic replace in one call.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

// Makes the renames inside a folder durable.
void sync_folder(const std::filesystem::path& folder);

}  // namespace muonflow
