#include "engine/ngram_draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

namespace fulgur {
namespace {

NgramDraft Of(std::initializer_list<int32_t> ids) {
  NgramDraft draft;
  for (const int32_t id : ids) draft.Append(id);
  return draft;
}

std::vector<int32_t> Tokens(const NgramDraft& draft, int64_t n) {
  std::vector<int32_t> tokens;
  for (int64_t j = 0; j < n; ++j) tokens.push_back(draft.Token(j));
  return tokens;
}

TEST(NgramDraftTest, GoesOnAsTheLongestEarlierMatchDid) {
  EXPECT_EQ(Of({}).match(), 0);
  EXPECT_EQ(Of({1, 2}).match(), 0);
  EXPECT_EQ(Of({1, 2, 3, 4, 5, 6}).match(), 0);
  EXPECT_EQ(Of({1, 2, 3, 1, 2}).match(), 0);  // two tokens are not enough

  NgramDraft draft = Of({1, 2, 3, 10, 11, 0, 9, 1, 2, 3, 20, 0, 1, 2, 3});
  EXPECT_EQ(draft.match(), 3);  // both occurrences: the later one
  EXPECT_EQ(Tokens(draft, 4), (std::vector<int32_t>{20, 0, 1, 2}));
  draft = Of({9, 1, 2, 3, 10, 11, 0, 1, 2, 3, 20, 9, 1, 2, 3});
  EXPECT_EQ(draft.match(), 4);  // the earlier one is longer
  EXPECT_EQ(Tokens(draft, 2), (std::vector<int32_t>{10, 11}));
  draft.Append(10);
  EXPECT_EQ(draft.match(), 5);
  EXPECT_EQ(Tokens(draft, 1), (std::vector<int32_t>{11}));
  draft.Append(7);
  EXPECT_EQ(draft.match(), 0);
}

TEST(NgramDraftTest, ARepetitionGoesOnForever) {
  EXPECT_EQ(Tokens(Of({4, 4, 4, 4}), 5), (std::vector<int32_t>{4, 4, 4, 4, 4}));
  EXPECT_EQ(Tokens(Of({7, 1, 2, 1, 2, 1}), 5), (std::vector<int32_t>{2, 1, 2, 1, 2}));
}

// Against a search of everything.
TEST(NgramDraftTest, FindsWhatThereIs) {
  Rng rng(1);
  NgramDraft draft;
  std::vector<int32_t> all;
  int64_t found = 0;
  for (int64_t n = 0; n < 3000; ++n) {
    if (rng.Below(200) == 0 && n > 100) {  // a copy of something
      const size_t from = static_cast<size_t>(rng.Below(static_cast<uint64_t>(n - 50)));
      for (size_t i = 0; i < 40; ++i) all.push_back(all[from + i]), draft.Append(all[from + i]);
    }
    all.push_back(static_cast<int32_t>(rng.Below(30)));
    draft.Append(all.back());
    int64_t longest = 0;
    for (size_t end = 1; end < all.size(); ++end) {
      int64_t length = 0;
      while (length < static_cast<int64_t>(end) &&
             all[end - 1 - static_cast<size_t>(length)] == all[all.size() - 1 - static_cast<size_t>(length)]) {
        ++length;
      }
      longest = std::max(longest, length);
    }
    ASSERT_EQ(draft.match(), longest >= NgramDraft::kShortest ? longest : 0) << n;
    if (draft.match() == 0) continue;
    ++found;
    bool follows = false;  // the drafted token does follow such a match
    for (size_t end = static_cast<size_t>(longest); end < all.size(); ++end) {
      follows |= all[end] == draft.Token(0) &&
                 std::equal(all.end() - longest, all.end(), all.begin() + static_cast<int64_t>(end) - longest);
    }
    ASSERT_TRUE(follows);
  }
  EXPECT_GT(found, 100);
}

TEST(NgramDraftTest, ProbabilitiesAreLearnedWhetherDraftedOrNot) {
  NgramDraft draft;
  for (int i = 0; i < 200; ++i) draft.Append(i % 10);
  EXPECT_GT(draft.Probability(0), 0.95);
  // The same three tokens, and then always another one.
  Rng rng(2);
  NgramDraft bad;
  for (int i = 0; i < 200; ++i) {
    for (const int32_t id : {1, 2, 3}) bad.Append(id);
    bad.Append(static_cast<int32_t>(10 + i));
  }
  for (const int32_t id : {1, 2, 3}) bad.Append(id);
  EXPECT_EQ(bad.match(), 3);
  EXPECT_LT(bad.Probability(0), 0.05);
}

TEST(DraftPlanTest, DraftsWhatPays) {
  NgramDraft sure, unsure;
  for (int i = 0; i < 200; ++i) sure.Append(i % 10);
  for (int i = 0; i < 200; ++i) {
    for (const int32_t id : {1, 2, 3}) unsure.Append(id);
    unsure.Append(static_cast<int32_t>(10 + i));
  }
  for (const int32_t id : {1, 2, 3}) unsure.Append(id);
  const std::vector<DraftPlan::Sequence> both = {{&sure, 12}, {&unsure, 12}};

  DraftPlan cheap;  // rows cost next to nothing
  for (int64_t rows = 1; rows <= 40; ++rows) cheap.Measure(rows, 1 + 0.001 * static_cast<double>(rows));
  EXPECT_THAT(cheap.Choose(both, 2), ::testing::ElementsAre(12, 0));
  EXPECT_THAT(cheap.Choose(std::vector<DraftPlan::Sequence>{{&sure, 3}}, 1), ::testing::ElementsAre(3));
  EXPECT_THAT(cheap.Choose(std::vector<DraftPlan::Sequence>{{&sure, 0}}, 1), ::testing::ElementsAre(0));
  EXPECT_THAT(cheap.Choose({}, 0), ::testing::ElementsAre());

  DraftPlan dear;  // a row costs what a pass costs
  for (int64_t rows = 1; rows <= 40; ++rows) dear.Measure(rows, static_cast<double>(rows));
  EXPECT_THAT(dear.Choose(both, 2), ::testing::ElementsAre(0, 0));

  DraftPlan steep;  // up to six rows for the price of one
  for (int64_t rows = 1; rows <= 40; ++rows) steep.Measure(rows, rows <= 6 ? 1 : 100);
  EXPECT_THAT(steep.Choose(both, 2), ::testing::ElementsAre(4, 0));
}

TEST(DraftPlanTest, KnowsWhatWasMeasuredLately) {
  DraftPlan plan;
  EXPECT_GT(plan.Seconds(4), plan.Seconds(1));  // a guess, until something is known
  plan.Measure(2, 1.0);
  EXPECT_DOUBLE_EQ(plan.Seconds(2), 1.0);
  EXPECT_GT(plan.Seconds(4), 1.0);
  EXPECT_LT(plan.Seconds(1), 1.0);
  plan.Measure(6, 3.0);
  EXPECT_DOUBLE_EQ(plan.Seconds(4), 2.0);
  plan.Measure(6, 5.0);
  EXPECT_DOUBLE_EQ(plan.Seconds(6), 3.5);
  for (int i = 0; i < 600; ++i) plan.Measure(2, 1.0);
  EXPECT_LT(plan.Seconds(6), 3.0);  // long ago: guessed again
  plan.Measure(1000000, 9.0);       // no pass that could have drafts
  EXPECT_DOUBLE_EQ(plan.Seconds(2), 1.0);
}

}  // namespace
}  // namespace fulgur
