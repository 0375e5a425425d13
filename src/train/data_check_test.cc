#include "train/data_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/test_util.h"
#include "train/trainer.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Json ChatRecord(const std::string& question, const std::string& answer) {
  return {{"messages", {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}}}};
}

struct Chats {
  TestFolder folder;
  ThreadPool pool{2};

  std::vector<SourceCheck> Check(const std::string& lines, int64_t max_length = 100) {
    WriteFileAtomic(folder / "chats.jsonl", lines);
    Json json = TinyRun(folder.path());
    json["data"] = (folder / "chats.jsonl").string();
    json["batch"]["max_length"] = max_length;
    const TrainConfig config = TrainConfig::FromJson(json, "test");
    const TextFiles text = TextFiles::FromFolder(config.model.tokenizer);
    const RecordEncoder encoder(text.tokenizer, text.chat_template, max_length);
    return CheckRecords(TrainingMixture(config), encoder, pool);
  }
};

TEST(CheckRecords, TheFirstBadLineOfThousandsIsNamed) {
  Chats chats;
  std::string lines;
  for (int i = 1; i <= 3001; ++i) {
    const bool bad = i == 2467 || i == 2999;
    lines += ChatRecord("?", "!").dump() + "\n";
    if (bad) lines += Json{{"messages", {{{"role", "user"}, {"content", "nobody answers"}}}}}.dump() + "\n";
  }
  EXPECT_THAT(ErrorOf([&] { chats.Check(lines); }),
              AllOf(HasSubstr("source chats, "), HasSubstr("chats.jsonl, line 2468: there is no assistant message")));
}

TEST(CheckRecords, WhatIsTooLongIsCountedWithTheLengthThatIsNeeded) {
  Chats chats;
  std::string lines;
  for (int i = 0; i < 200; ++i)
    lines += ChatRecord("?", std::string(i < 150 ? 10 : i == 199 ? 900 : 300, 'x')).dump() + "\n";
  const std::vector<SourceCheck> checks = chats.Check(lines);
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].TooLong(100), 50u);
  ASSERT_EQ(checks[0].lengths.size(), 200u);
  const int64_t most = checks[0].lengths.back(), usual = checks[0].lengths[180];
  EXPECT_GT(most, 900);
  EXPECT_THAT(checks[0].Notes(100),
              ElementsAre(AllOf(HasSubstr("50 of 200 records are longer than batch.max_length = 100 tokens"),
                                HasSubstr(fmt::format("{} would take 99 % of them, {} all", usual, most)))));
  EXPECT_THAT(checks[0].Notes(most), IsEmpty());
}

TEST(CheckRecords, FieldsThatNothingReadsAreNamed) {
  Chats chats;
  Json record = ChatRecord("?", "!");
  record["rating"] = 5;
  record["tools"] = nullptr;
  record["messages"][1]["mood"] = "good";
  record["messages"][1]["refusal"] = nullptr;
  const std::vector<SourceCheck> checks = chats.Check(record.dump() + "\n");
  EXPECT_THAT(checks[0].Notes(100), ElementsAre(HasSubstr("messages[].mood, rating")));
}

}  // namespace
}  // namespace fulgur
