#include "text/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(BpeTrainer, SmallExampleByHand) {
  // Words: "low" 5, "lower" 2, "newest" 6, "widest" 3 (the example of arXiv:1508.07909, without its end-of-word mark).
  BpeTrainer trainer({.merges = 4, .pattern = "[a-z]+", .max_token_bytes = 64, .added_tokens = {}});
  for (int i = 0; i < 5; ++i) trainer.Add("low");
  trainer.Add("lower lower");
  for (int i = 0; i < 6; ++i) trainer.Add("newest");
  for (int i = 0; i < 3; ++i) trainer.Add("widest");
  // "es" and "st" both occur 9 times: the lower ids win, then "es" + "t"; then "lo" 7 before "ow" 7.
  EXPECT_THAT(trainer.Train(), ElementsAre(Pair('e', 's'), Pair(256, 't'), Pair('l', 'o'), Pair(258, 'w')));
}

// The same rule, counted afresh for each merge.
std::vector<std::pair<int32_t, int32_t>> NaiveTrain(std::map<std::string, int64_t> words, size_t merges) {
  std::vector<std::pair<std::vector<int32_t>, int64_t>> list;
  for (const auto& [word, count] : words) {
    std::vector<int32_t> ids;
    for (const char c : word) ids.push_back(static_cast<uint8_t>(c));
    list.emplace_back(ids, count);
  }
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  std::set<std::string> known;
  std::vector<std::pair<int32_t, int32_t>> result;
  while (result.size() < merges) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const auto& [ids, count] : list) {
      for (size_t i = 0; i + 1 < ids.size(); ++i) counts[{ids[i], ids[i + 1]}] += count;
    }
    std::pair<int32_t, int32_t> best;
    int64_t most = 1;
    for (const auto& [pair, count] : counts) {
      if (count > most &&
          !known.count(tokens[static_cast<size_t>(pair.first)] + tokens[static_cast<size_t>(pair.second)])) {
        best = pair;
        most = count;
      }
    }
    if (most < 2) break;
    const auto id = static_cast<int32_t>(tokens.size());
    tokens.push_back(tokens[static_cast<size_t>(best.first)] + tokens[static_cast<size_t>(best.second)]);
    known.insert(tokens.back());
    result.push_back(best);
    for (auto& [ids, count] : list) {
      std::vector<int32_t> merged;
      for (size_t i = 0; i < ids.size(); ++i) {
        if (i + 1 < ids.size() && ids[i] == best.first && ids[i + 1] == best.second) {
          merged.push_back(id);
          ++i;
        } else {
          merged.push_back(ids[i]);
        }
      }
      ids = merged;
    }
  }
  return result;
}

TEST(BpeTrainer, SameAsCountingAfresh) {
  Rng rng(5);
  for (int round = 0; round < 20; ++round) {
    BpeTrainer trainer({.merges = 120, .pattern = "[a-d]+", .max_token_bytes = 64, .added_tokens = {}});
    std::map<std::string, int64_t> words;
    for (int i = 0; i < 60; ++i) {
      std::string word;
      for (uint64_t n = 1 + rng.Below(12); n > 0; --n) word += static_cast<char>('a' + rng.Below(2 + round % 3));
      ++words[word];
      trainer.Add(word + " ");
    }
    EXPECT_EQ(trainer.Train(), NaiveTrain(words, 120));
  }
}

std::string Corpus() {
  std::string corpus;
  Rng rng(9);
  const char* words[] = {"the ", "sum ", "of ", "12 ", "345 ", "and ", "is ", "\u4E2D\u6587", "\n", "therefore "};
  for (int i = 0; i < 5000; ++i) corpus += rng.Pick(words);
  return corpus;
}

TEST(BpeTrainer, WritesAFileThatLoads) {
  BpeTrainer trainer({.merges = 50, .pattern = kO200kPattern, .max_token_bytes = 64, .added_tokens = M1AddedTokens()});
  trainer.Add(Corpus() + "<begin_of_document>");
  const auto merges = trainer.Train();
  const std::string json = trainer.TokenizerJson(merges);
  ASSERT_EQ(merges.size(), 50u);
  const Tokenizer t = Tokenizer::FromJson(json, "the test");
  EXPECT_EQ(t.vocab_size(), 256 + 50 + 35);
  for (int32_t b = 0; b < 256; ++b) EXPECT_EQ(t.Bytes(b), std::string(1, static_cast<char>(b)));
  for (size_t i = 0; i < merges.size(); ++i) {
    EXPECT_EQ(t.Bytes(static_cast<int32_t>(256 + i)), t.Bytes(merges[i].first) + t.Bytes(merges[i].second));
  }
  EXPECT_EQ(t.Id("<begin_of_document>"), t.vocab_size() - 1);
  const auto ids = t.Encode(Corpus(), Tokenizer::Special::kRecognised);
  EXPECT_EQ(t.Decode(ids, false), Corpus());
  EXPECT_LT(ids.size() * 2, Corpus().size());
  // The library loads what it reads, so look at the spelling as well.
  const Json parsed = ParseJson(json, "json");
  EXPECT_EQ(parsed["model"]["vocab"]["\u0120"], 32);
  EXPECT_EQ(parsed["model"]["vocab"].size(), 306u);
  EXPECT_EQ(parsed["model"]["merges"].size(), 50u);
  EXPECT_EQ(parsed["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"], kO200kPattern);
}

TEST(BpeTrainer, OrderOfTextsDoesNotMatter) {
  const std::vector<std::string> texts = {"abc abd", "abd bcd bcd", "\u4E2D\u6587 12", Corpus()};
  const BpeTrainerOptions options{
      .merges = 50, .pattern = kO200kPattern, .max_token_bytes = 64, .added_tokens = M1AddedTokens()};
  BpeTrainer forward(options), backward(options);
  for (size_t i = 0; i < texts.size(); ++i) {
    forward.Add(texts[i]);
    backward.Add(texts[texts.size() - 1 - i]);
  }
  EXPECT_EQ(forward.TokenizerJson(forward.Train()), backward.TokenizerJson(backward.Train()));
}

TEST(BpeTrainer, SingleDigitsAndLengthLimit) {
  BpeTrainer trainer(
      {.merges = 1000, .pattern = kO200kSingleDigitsPattern, .max_token_bytes = 5, .added_tokens = M1AddedTokens()});
  trainer.Add(Corpus());
  const Tokenizer t = Tokenizer::FromJson(trainer.TokenizerJson(trainer.Train()), "the test");
  for (int32_t id = 256; id < t.vocab_size() - 35; ++id) {
    EXPECT_LE(t.Bytes(id).size(), 5u);
    EXPECT_EQ(t.Bytes(id).find_first_of("0123456789"), std::string::npos);
  }
  EXPECT_THAT(t.Encode("345", Tokenizer::Special::kPlainText), ElementsAre('3', '4', '5'));
}

TEST(BpeTrainer, AddedTokensAreNotLearnedFrom) {
  BpeTrainer trainer({.merges = 100, .pattern = ".+", .max_token_bytes = 64, .added_tokens = {"<ab>"}});
  for (int i = 0; i < 10; ++i) trainer.Add("<ab><ab><ab>");
  EXPECT_THAT(trainer.Train(), ElementsAre());
  for (int i = 0; i < 10; ++i) trainer.Add("<a<ab>b>");
  EXPECT_THAT(trainer.Train(), ElementsAre(Pair('<', 'a'), Pair('b', '>')));
}

TEST(BpeTrainer, RefusesBadOptions) {
  const auto refuses = [](auto change) {
    BpeTrainerOptions options;
    change(options);
    EXPECT_THROW(BpeTrainer{options}, Error);
  };
  refuses([](BpeTrainerOptions& o) { o.merges = -1; });
  refuses([](BpeTrainerOptions& o) { o.pattern = "("; });
  refuses([](BpeTrainerOptions& o) { o.max_token_bytes = 0; });
  refuses([](BpeTrainerOptions& o) { o.added_tokens = {"<a>", "<a>"}; });
  refuses([](BpeTrainerOptions& o) { o.added_tokens = {"a"}; });
}

TEST(BpeTrainer, AddedTokensAreThoseOfTheReference) {
  const Tokenizer reference = Tokenizer::FromFile(FULGUR_SOURCE_DIR "/tests/data/tokenizer-small");
  const auto tokens = M1AddedTokens();
  ASSERT_EQ(tokens.size(), 35u);
  for (size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(reference.Id(tokens[i]), static_cast<int32_t>(960 + i));
}

}  // namespace
}  // namespace fulgur
