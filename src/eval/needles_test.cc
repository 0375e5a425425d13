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

TEST(Needles, AFactStandsOnceInItsText) {
  for (const int64_t length : {1, 3000}) {
    const FactText task = MakeFactText(length, 20, 5, 7);
    EXPECT_GE(static_cast<int64_t>(task.text.size()), length);
    EXPECT_EQ(task.text, MakeFactText(length, 20, 5, 7).text);
    EXPECT_NE(task.text, MakeFactText(length, 20, 5, 8).text);
    ASSERT_EQ(task.questions.size(), 5u);
    std::map<std::string, int> asked;
    for (const auto& [question, answer] : task.questions) {
      EXPECT_EQ(++asked[question], 1);
      const size_t first = task.text.find(answer);
      ASSERT_NE(first, std::string::npos) << answer;
      // "What is Q?" is answered by "Q is 482."
      const std::string sentence = question.substr(8, 1) + " is ";
      EXPECT_EQ(answer.substr(0, sentence.size()), sentence);
      EXPECT_EQ(task.text.find(sentence), first);
      EXPECT_EQ(task.text.find(sentence, first + 1), std::string::npos) << "no other number has this name";
    }
  }
}

}  // namespace
}  // namespace fulgur
