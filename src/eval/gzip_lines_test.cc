#include "eval/gzip_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

std::vector<Json> ReadAll(const std::filesystem::path& path, int64_t* kept) {
  std::vector<Json> lines;
  *kept = ReadGzipLines(path, [&](const Json& line) {
    lines.push_back(line);
    return true;
  });
  return lines;
}

TEST(GzipLines, CutAnywhereTheCompleteLinesAreLeftAndWritingGoesOn) {
  TestFolder folder;
  const std::filesystem::path path = folder / "deep/lines.jsonl.gz";
  std::vector<int64_t> ends = {0};
  {
    GzipLinesWriter writer(path);
    for (int i = 0; i < 4; ++i) {
      writer.Add({{"i", i}, {"text", std::string(static_cast<size_t>(100 * i), 'x') + "\n\"\u00e9"}});
      ends.push_back(static_cast<int64_t>(std::filesystem::file_size(path)));
    }
    writer.Sync();
  }
  const std::string whole = ReadFile(path);
  int64_t kept = 0;
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, cut);
    const std::vector<Json> lines = ReadAll(path, &kept);
    const auto complete = std::upper_bound(ends.begin(), ends.end(), static_cast<int64_t>(cut)) - ends.begin() - 1;
    ASSERT_EQ(lines.size(), static_cast<size_t>(complete)) << cut;
    EXPECT_EQ(kept, ends[static_cast<size_t>(complete)]) << cut;
  }
  WriteFileAtomic(path, std::string_view(whole).substr(0, static_cast<size_t>(ends[3] - 1)));
  ReadAll(path, &kept);
  GzipLinesWriter(path, kept).Add({{"i", 7}});
  const std::vector<Json> lines = ReadAll(path, &kept);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1]["i"], 1);
  EXPECT_EQ(lines[2]["i"], 7);
}

TEST(GzipLines, RefusedLinesAndOtherFiles) {
  TestFolder folder;
  const std::filesystem::path path = folder / "lines.jsonl.gz";
  EXPECT_EQ(ReadGzipLines(path, [](const Json&) { return true; }), 0);
  {
    GzipLinesWriter writer(path);
    writer.Add({{"i", 0}});
    writer.Add({{"i", 1}});
  }
  const int64_t kept = ReadGzipLines(path, [](const Json& line) { return line["i"] == 0; });
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, static_cast<int64_t>(std::filesystem::file_size(path)));
  WriteFileAtomic(path, "this is not gzip");
  EXPECT_EQ(ReadGzipLines(path, [](const Json&) { return true; }), 0);
  // A command that people have.
  GzipLinesWriter(path, 0).Add({{"word", "plain"}});
  GzipLinesWriter(path, static_cast<int64_t>(std::filesystem::file_size(path))).Add({{"word", "text"}});
  const std::string command = "gzip -dc " + path.string() + " > " + (folder / "text").string();
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(ReadFile(folder / "text"), "{\"word\":\"plain\"}\n{\"word\":\"text\"}\n");
}

}  // namespace
}  // namespace fulgur
