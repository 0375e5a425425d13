#include "eval/needles.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace fulgur {
namespace {

TEST(Needles, TheAnswerStandsOnceInTheConversation) {
  for (const int64_t length : {100, 3000, 50000}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Json task = MakeNeedleTask(length, 4, seed);
      EXPECT_EQ(task, MakeNeedleTask(length, 4, seed));
      EXPECT_GE(task["n_chars"].get<int64_t>(), length);
      const std::string answer = task["answer"].get<std::string>(),
                        word = task["random_string_to_prepend"].get<std::string>();
      ASSERT_TRUE(answer.starts_with(word));
      const Json& messages = task["prompt"];
      int64_t found = 0;
      for (const Json& message : messages)
        found += message["role"] == "assistant" && word + message["content"].get<std::string>() == answer;
      EXPECT_EQ(found, 1);
    }
  }
}

TEST(Needles, TheRequestComesAsOftenAsItSays) {
  const Json task = MakeNeedleTask(20000, 8, 5);
  std::map<std::string, int> requests;
  for (const Json& message : task["prompt"]) {
    if (message["role"] == "user") ++requests[message["content"].get<std::string>()];
  }
  const std::string last = task["prompt"].back()["content"].get<std::string>();
  int matching = 0;
  for (const auto& [request, count] : requests) {
    // "Write a poem about snow." and "... the third poem about snow above ..."
    const std::string what = request.substr(request.find(' ', 6) + 1);
    if (count == 8 && last.find(what.substr(0, what.size() - 1) + " above") != std::string::npos) ++matching;
  }
  EXPECT_EQ(matching, 1);
}

}  // namespace
}  // namespace fulgur
