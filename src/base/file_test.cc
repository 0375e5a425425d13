#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::ThrowsMessage;

class FileTest : public testing::Test {
 protected:
  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  TestFolder test_folder_;
  const fs::path& folder_ = test_folder_.path();
};

TEST_F(FileTest, ReadsBackEveryByte) {
  std::string content(200000, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  WriteFileAtomic(folder_ / "x", content);
  EXPECT_EQ(ReadFile(folder_ / "x"), content);
  const MappedFile map(folder_ / "x");
  ASSERT_EQ(map.bytes().size(), content.size());
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(map.bytes().data()), content.size()), content);
}

TEST_F(FileTest, EmptyFile) {
  WriteFileAtomic(folder_ / "x", "");
  EXPECT_EQ(ReadFile(folder_ / "x"), "");
  EXPECT_TRUE(MappedFile(folder_ / "x").bytes().empty());
}

TEST_F(FileTest, ErrorsNameThePathAndTheReason) {
  EXPECT_THAT([&] { ReadFile(folder_ / "none"); },
              ThrowsMessage<Error>(testing::AllOf(HasSubstr("none"), HasSubstr("No such file"))));
  EXPECT_THAT([&] { MappedFile map(folder_ / "none"); }, ThrowsMessage<Error>(HasSubstr("No such file")));
  EXPECT_THAT([&] { ReadFile(folder_); }, ThrowsMessage<Error>(HasSubstr("it is a folder")));
  EXPECT_THAT([&] { MappedFile map(folder_); }, ThrowsMessage<Error>(HasSubstr("it is a folder")));
  EXPECT_THAT([&] { WriteFileAtomic(folder_ / "no" / "x", "1"); }, ThrowsMessage<Error>(HasSubstr("no/x")));
}

TEST_F(FileTest, NothingAppearsWithoutCommit) {
  WriteFileAtomic(folder_ / "x", "old");
  {
    AtomicFile file(folder_ / "x");
    file.Write("new");
    EXPECT_EQ(ReadFile(folder_ / "x"), "old");
  }
  EXPECT_EQ(ReadFile(folder_ / "x"), "old");
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(FileTest, CommitReplacesTheWholeFile) {
  WriteFileAtomic(folder_ / "x", "a longer old content");
  AtomicFile file(folder_ / "x");
  file.Write("ne");
  file.Write("w");
  file.Commit();
  EXPECT_EQ(ReadFile(folder_ / "x"), "new");
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(FileTest, AFailedCommitLeavesNothingBehind) {
  fs::create_directories(folder_ / "x" / "inside");  // a folder cannot be replaced by a file
  EXPECT_THAT([&] { WriteFileAtomic(folder_ / "x", "1"); }, ThrowsMessage<Error>(HasSubstr("rename")));
  EXPECT_TRUE(fs::is_directory(folder_ / "x"));
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(FileTest, AMapOutlivesTheReplacedFile) {
  WriteFileAtomic(folder_ / "x", "old");
  const MappedFile map(folder_ / "x");
  WriteFileAtomic(folder_ / "x", "new");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(map.bytes().data()), 3), "old");
}

}  // namespace
}  // namespace fulgur
