#include "muonflow/core/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "tests/support/message_of.hpp"
#include "tests/support/temporary_folder.hpp"

namespace muonflow {
namespace {

using test::message_of;
using test::TemporaryFolder;

// Files of this process cannot grow past a size while it lives: what a full disk looks like.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST(File, GoesRound) {
  const TemporaryFolder folder;
  const std::string text("first\0second\n\xff", 14);
  write_file(folder / "a.bin", text);
  EXPECT_EQ(read_text_file(folder / "a.bin"), text);
  const auto bytes = read_file(folder / "a.bin");
  EXPECT_EQ(bytes.size(), text.size());
  EXPECT_EQ(bytes[5], std::byte{0});
  EXPECT_EQ(folder.entries(), 1u);  // no temporary is left
}

TEST(File, MayBeEmpty) {
  const TemporaryFolder folder;
  write_file(folder / "empty", "");
  EXPECT_TRUE(read_file(folder / "empty").empty());
  EXPECT_EQ(std::filesystem::file_size(folder / "empty"), 0u);
}

TEST(File, ReplacesAtomically) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new, in ");
    file.write("two parts");
    EXPECT_EQ(read_text_file(folder / "a"), "old");
    file.commit();
  }
  EXPECT_EQ(read_text_file(folder / "a"), "new, in two parts");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(File, NothingRemainsWithoutCommit) {
  const TemporaryFolder folder;
  { AtomicFile(folder / "a").write("lost"); }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(File, ASymbolicLinkStaysALink) {
  const TemporaryFolder folder;
  write_file(folder / "target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_text_file(folder / "target"), "new");
}

TEST(File, TakesANameInTheCurrentFolder) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file("plain", "text");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_text_file(folder / "plain"), "text");
}

TEST(File, ReadingSaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto missing = folder / "missing";
  EXPECT_EQ(message_of<IoError>([&] { (void)read_file(missing); }),
            missing.string() + ": cannot be read: No such file or directory");
  EXPECT_EQ(message_of<IoError>([&] { (void)read_text_file(folder.path()); }),
            folder.path().string() + ": expected a file, found a folder");
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(message_of<IoError>([&] { (void)read_file(pipe); }),
            pipe.string() + ": expected a file, found something else");
}

TEST(File, ReadingPastTheEndSaysHowFar) {
  const TemporaryFolder folder;
  write_file(folder / "short", "12345");
  InputFile file(folder / "short");
  EXPECT_EQ(file.size(), 5u);
  std::vector<std::byte> bytes(8);
  EXPECT_EQ(message_of<IoError>([&] { file.read(bytes); }),
            (folder / "short").string() + ": the file ends 3 bytes too early");
}

TEST(File, WritingSaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto nowhere = folder / "no/such/file";
  EXPECT_EQ(message_of<IoError>([&] { write_file(nowhere, "x"); }),
            nowhere.string() + ": cannot be written: No such file or directory");
  EXPECT_EQ(message_of<IoError>([&] { write_file(folder.path(), "x"); }),
            folder.path().string() + ": cannot be written: expected a file, found a folder");
  write_file(folder / "plain", "x");
  const auto inside_a_file = folder / "plain/inner";
  EXPECT_EQ(message_of<IoError>([&] { write_file(inside_a_file, "x"); }),
            inside_a_file.string() + ": cannot be written: Not a directory");
  EXPECT_EQ(message_of<IoError>([&] { write_file("", "x"); }),
            "cannot be written: it names no file");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(File, NeverReplacesADevice) {
  EXPECT_EQ(message_of<IoError>([] { write_file("/dev/null", "x"); }),
            "/dev/null: cannot be written: expected a file, found something else");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(File, AFullDiskLosesNothing) {
  const TemporaryFolder folder;
  const auto path = folder / "a";
  write_file(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = message_of<IoError>([&] { write_file(path, std::string(10'000, 'x')); });
  }
  EXPECT_EQ(message, path.string() + ": cannot be written: File too large");
  EXPECT_EQ(read_text_file(path), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(File, AnUnwritableFolderIsNamed) {
  const TemporaryFolder folder;
  const auto locked = folder / "locked";
  std::filesystem::create_directory(locked);
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
  std::filesystem::permissions(locked, std::filesystem::perms{0555});
  const auto user = ::geteuid();
  if (user == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "root may write everywhere";
  const auto message = message_of<IoError>([&] { write_file(locked / "a", "x"); });
  if (user == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(message, (locked / "a").string() + ": cannot be written: Permission denied");
}

TEST(File, SyncingAMissingFolderIsAnError) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(sync_folder(folder.path()));
  EXPECT_EQ(message_of<IoError>([&] { sync_folder(folder / "no"); }),
            (folder / "no").string() + ": cannot be synced: No such file or directory");
}

}  // namespace
}  // namespace muonflow
