// `fulgur debug verify-math` from outside: a line for a line, other keys kept, errors on the line they belong to.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/command.h"

namespace fulgur {
namespace {

TEST(VerifyMathCommand, AnswersLineByLine) {
  const CommandResult result =
      RunFulgur({"debug", "verify-math"}, R"({"id": 1, "gold": "\\frac{1}{2}", "answer": "It is $\\boxed{0.5}$."})"
                                          "\n"
                                          R"({"gold": "3", "answer": "\\boxed{3 \\text{ or } 4}", "score": 7})"
                                          "\n\n"
                                          R"({"id": "c", "gold": "3"})"
                                          "\nno json\n"
                                          R"({"gold": ["7", "\\frac{1}{2}"], "answer": "\\boxed{1/2}"})"
                                          "\n"
                                          R"({"gold": "\\foo{", "answer": "\\boxed{1}"})"
                                          "\n"
                                          R"({"gold": [3], "answer": "\\boxed{3}"})"
                                          "\n");
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<Json> lines;
  std::istringstream out(result.out);
  for (std::string line; std::getline(out, line);) lines.push_back(ParseJson(line, "the output"));
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0], (Json{{"id", 1}, {"score", 1}, {"reason", ""}}));
  EXPECT_EQ(lines[1]["score"], 0);
  EXPECT_NE(lines[1]["reason"].get<std::string>().find("not the same"), std::string::npos);
  EXPECT_EQ(lines[2]["id"], "c");
  EXPECT_NE(lines[2]["error"].get<std::string>().find("answer"), std::string::npos);
  EXPECT_TRUE(lines[3].contains("error"));
  EXPECT_EQ(lines[4], (Json{{"score", 1}, {"reason", ""}}));
  EXPECT_EQ(lines[5]["score"], 0);
  EXPECT_EQ(lines[5]["gold_unreadable"], true);
  EXPECT_NE(lines[6]["error"].get<std::string>().find("gold"), std::string::npos);
}

}  // namespace
}  // namespace fulgur
