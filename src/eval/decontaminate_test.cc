#include "eval/decontaminate.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

std::vector<std::vector<ReferenceText>> References(const std::vector<std::string>& texts) {
  std::vector<std::vector<ReferenceText>> sets(1);
  for (const std::string& text : texts) sets[0].push_back({text, fmt::format("reference {}", sets[0].size())});
  return sets;
}

TEST(Decontaminator, RunsOfWordsAndShortTexts) {
  const Decontaminator d(4, {}, References({"The quick brown fox jumps.", "Solve it!", "..."}));
  const auto match = d.Find("see THE QUICK, brown\nfox run");
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->words, "THE QUICK, brown\nfox");
  EXPECT_EQ(match->where, "reference 0");
  EXPECT_FALSE(d.Find("the quick fox jumps over a brown dog"));
  EXPECT_FALSE(d.Find("brown fox jumps"));
  ASSERT_TRUE(d.Find("solve it"));
  EXPECT_EQ(d.Find("solve it")->where, "reference 1");
  EXPECT_FALSE(d.Find("solve it now"));
  EXPECT_FALSE(d.Find(""));
  EXPECT_FALSE(d.Find("..."));
  EXPECT_FALSE(d.Find("!"));
}

// An instruction that all problems end in.
TEST(Decontaminator, WhatAWholeSetSaysIsPassedOver) {
  const std::string asks = " Please reason step by step, and put your final answer within \\boxed{}.";
  std::vector<std::string> set;
  for (int i = 0; i < 50; ++i)
    set.push_back(fmt::format("A train of {} wagons takes {} minutes to pass.{}", i, i * i, asks));
  // The reference has the instruction too, in every text or in one only.
  const auto tests = References({"How many primes are there below 40?" + asks, "A car is red." + asks,
                                 "A train of 7 wagons takes 49 minutes to pass." + asks});
  const Decontaminator d(10, set, tests);
  int found = 0;
  for (const std::string& text : set) found += d.Find(text).has_value();
  EXPECT_EQ(found, 1);
  ASSERT_TRUE(d.Find(set[7]));
  EXPECT_THAT(d.Find(set[7])->words, HasSubstr("7 wagons"));
  // Without the set nobody can know that it is an instruction.
  EXPECT_TRUE(Decontaminator(10, {}, tests).Find(set[3]));
  // It is known from the other side as well.
  std::vector<std::string> questions;
  for (int i = 0; i < 10; ++i) questions.push_back(fmt::format("What is {} squared?{}", i, asks));
  EXPECT_FALSE(Decontaminator(10, {}, References(questions)).Find(set[3]));
}

TEST(Decontaminator, TextsOfFiles) {
  TestFolder folder;
  WriteFileAtomic(
      folder / "a.jsonl",
      "{\"question\": \"one\"}\n{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", "
      "\"text\": \"two\"}]}]}\n{\"prompt\": [{\"role\": \"user\", \"content\": \"three\"}], \"text\": \"four\"}\n");
  WriteFileAtomic(folder / "b.txt", "five");
  const auto sets = ReadReferenceTexts({folder / "a.jsonl", folder / "b.txt"});
  ASSERT_EQ(sets.size(), 2u);
  std::vector<std::string> texts;
  for (const auto& set : sets) {
    for (const ReferenceText& reference : set) texts.push_back(reference.text);
  }
  EXPECT_THAT(texts, testing::ElementsAre("one", "two", "four", "three", "five"));
  EXPECT_THAT(sets[0][1].where, testing::EndsWith("a.jsonl, line 2"));
  WriteFileAtomic(folder / "c.jsonl", "{\"question\": \"one\"}\n{\"other\": 1}\n");
  EXPECT_THROW(ReadReferenceTexts({folder / "c.jsonl"}), Error);
}

}  // namespace
}  // namespace fulgur
