#include "muonflow/core/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "muonflow/core/error.hpp"

namespace muonflow {
namespace {

std::string cause(int error) { return std::generic_category().message(error); }

// Linux moves at most 2 GiB a call.
constexpr std::size_t kPiece = std::size_t{1} << 30;

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Unique in this process by the counter and among processes by the process number.
std::string temporary_name(const std::filesystem::path& target) {
  static std::atomic<unsigned> counter{0};
  return "." + target.filename().string().substr(0, 200) + ".tmp-" + std::to_string(::getpid()) +
         "-" + std::to_string(counter++);
}

template <class Container>
Container read_whole(const std::filesystem::path& path) {
  InputFile file(path);
  Container contents;
  contents.resize(static_cast<std::size_t>(file.size()));
  file.read(std::as_writable_bytes(std::span(contents.data(), contents.size())));
  return contents;
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  // Non-blocking, because opening a pipe without a writer would wait for ever.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    throw IoError({.place = path.string(), .what = "cannot be read: " + cause(errno)});
  }
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    const bool folder = known && S_ISDIR(status.st_mode);
    ::close(descriptor_);
    throw IoError({.place = path.string(),
                   .expected = "a file",
                   .found = folder ? "a folder" : "something else"});
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto got = ::read(descriptor_, bytes.data(), std::min(bytes.size(), kPiece));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw IoError({.place = path_.string(), .what = "cannot be read: " + cause(errno)});
    }
    if (got == 0) {
      throw IoError({.place = path_.string(),
                     .what = "the file ends " + std::to_string(bytes.size()) + " bytes too early"});
    }
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  return read_whole<std::vector<std::byte>>(path);
}

std::string read_text_file(const std::filesystem::path& path) {
  return read_whole<std::string>(path);
}

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path), target_(path) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) {
    const auto followed = std::filesystem::weakly_canonical(path, ignored);
    if (!followed.empty()) target_ = followed;
  }
  const auto status = std::filesystem::status(target_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    // A rename would replace a device or fail on a folder.
    throw IoError({.place = path_.string(),
                   .what = "cannot be written",
                   .expected = "a file",
                   .found = std::filesystem::is_directory(status) ? "a folder" : "something else"});
  }
  if (!path.has_filename()) {
    throw IoError({.place = path_.string(), .what = "cannot be written: it names no file"});
  }
  do {
    temporary_ = folder_of(target_) / temporary_name(target_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    temporary_.clear();
    fail(errno);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(int error) const {
  throw IoError({.place = path_.string(), .what = "cannot be written: " + cause(error)});
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto put = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kPiece));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail(errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail(errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail(errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
  temporary_.clear();
  sync_folder(folder_of(target_));
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    throw IoError({.place = folder.string(), .what = "cannot be synced: " + cause(errno)});
  }
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // Some file systems cannot sync a folder and say EINVAL; they order renames themselves.
  if (error != 0 && error != EINVAL) {
    throw IoError({.place = folder.string(), .what = "cannot be synced: " + cause(error)});
  }
}

}  // namespace muonflow
