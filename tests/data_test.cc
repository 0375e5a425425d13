// `fulgur data curate` from outside: the two files it writes hold every problem, and the counts are theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "tests/command.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

std::vector<Json> Lines(const std::filesystem::path& path) {
  std::vector<Json> lines;
  std::istringstream in(ReadFile(path));
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(ParseJson(line, path.string()));
  }
  return lines;
}

TEST(DataCurateCommand, KeptAndLeftOut) {
  TestFolder folder;
  const std::string file = (folder / "all.jsonl").string(), out = (folder / "kept.jsonl").string();
  WriteFileAtomic(file, R"({"prompt": "How much is 17 + 4?", "answer": 21, "id": "a"}
{"prompt": "Prove that 17 is a prime.", "answer": "17", "id": "b"}

{"prompt": "Is 17 a prime?", "answer": "yes", "id": "c"}
)");
  const CommandResult json = RunFulgur({"data", "curate", file, "--out", out, "--json"}, "");
  ASSERT_EQ(json.status, 0) << json.err;
  const Json counts = ParseJson(json.out, "the output");
  EXPECT_EQ(counts["problems"], 3);
  EXPECT_EQ(counts["kept"], 1);
  EXPECT_EQ(counts["left_out"], 2);
  EXPECT_EQ(counts["reasons"], (Json{{"asks for a proof", 1}, {"true or false", 1}}));
  const std::vector<Json> kept = Lines(out), left = Lines(folder / "kept.left-out.jsonl");
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0]["id"], "a");
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0]["record"]["id"], "b");
  EXPECT_EQ(left[0]["reason"], "asks for a proof");
  EXPECT_THAT(left[1]["where"].get<std::string>(), HasSubstr("all.jsonl, line 4"));

  const CommandResult text = RunFulgur({"data", "curate", file, "--out", out}, "");
  EXPECT_THAT(text.out, HasSubstr("3 problems, 1 kept"));
  EXPECT_THAT(text.out, HasSubstr("line 2: Prove that 17"));

  const CommandResult over = RunFulgur({"data", "curate", file, "--out", file}, "");
  EXPECT_EQ(over.status, 1);
  EXPECT_THAT(over.err, HasSubstr("would be overwritten"));
  EXPECT_EQ(Lines(file).size(), 3u);
}

}  // namespace
}  // namespace fulgur
