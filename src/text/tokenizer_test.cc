#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <map>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/reference_data.h"
#include "base/rng.h"
#include "text/bpe_trainer.h"
#include "text/byte_alphabet.h"

namespace fulgur {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

const fs::path kSmall = fs::path(FULGUR_SOURCE_DIR) / "tests/data/tokenizer-small";

const Tokenizer& Small() {
  static const Tokenizer tokenizer = Tokenizer::FromFile(kSmall);
  return tokenizer;
}

std::vector<Json> Lines(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(ParseJson(line, path.string()));
  return lines;
}

void CheckGolden(const Tokenizer& tokenizer, const fs::path& path, size_t expected_lines) {
  const std::vector<Json> lines = Lines(path);
  ASSERT_EQ(lines.size(), expected_lines);
  for (const Json& line : lines) {
    const auto text = line["text"].get<std::string>();
    const auto ids = line["ids"].get<std::vector<int32_t>>();
    const auto plain = line.value("ids_plain", line["ids"]).get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer.Encode(text, Tokenizer::Special::kRecognised), ids) << line;
    EXPECT_EQ(tokenizer.Encode(text, Tokenizer::Special::kPlainText), plain) << line;
    EXPECT_EQ(tokenizer.Decode(ids, false), text) << line;
    EXPECT_EQ(tokenizer.Decode(plain, true), text) << line;
  }
}

void CheckStreamGolden(const Tokenizer& tokenizer, const fs::path& path, size_t expected_lines) {
  const std::vector<Json> lines = Lines(path);
  ASSERT_EQ(lines.size(), expected_lines);
  for (const Json& line : lines) {
    const bool skip = line["skip_special_tokens"].get<bool>();
    const auto ids = line["ids"].get<std::vector<int32_t>>();
    StreamDecoder decoder(tokenizer, skip);
    std::string all;
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::string chunk = decoder.Push(ids[i]);
      EXPECT_EQ(chunk, line["chunks"][i].get<std::string>()) << line << " at " << i;
      all += chunk;
    }
    const std::string flush = decoder.Flush();
    EXPECT_EQ(flush, line["flush"].get<std::string>()) << line;
    EXPECT_EQ(all + flush, tokenizer.Decode(ids, skip)) << line;
  }
}

TEST(Tokenizer, SmallGolden) { CheckGolden(Small(), kSmall / "golden.jsonl", 144); }
TEST(Tokenizer, SmallStreamGolden) { CheckStreamGolden(Small(), kSmall / "stream_decode.jsonl", 46); }

TEST(Tokenizer, M1Golden) {
  FULGUR_REFERENCE_OR_SKIP(folder, "tokenizer");
  FULGUR_REFERENCE_OR_SKIP(golden, "golden-text");
  const Tokenizer tokenizer = Tokenizer::FromFile(folder);
  EXPECT_EQ(tokenizer.vocab_size(), 200035);
  CheckGolden(tokenizer, golden / "tokenizer.jsonl", 438);
  CheckStreamGolden(tokenizer, golden / "stream_decode.jsonl", 94);
  EXPECT_EQ(tokenizer.Id("<end_of_sentence>"), 200020);
  EXPECT_THAT(tokenizer.Encode("<think>", Tokenizer::Special::kRecognised), ElementsAre(60, 37959, 62));
  EXPECT_THAT(tokenizer.Encode("</think>", Tokenizer::Special::kRecognised), ElementsAre(1579, 37959, 62));
}

TEST(Tokenizer, IdsAndBytes) {
  const Tokenizer& t = Small();
  EXPECT_EQ(t.vocab_size(), 995);
  EXPECT_EQ(t.Id("<beginning_of_sentence>"), 979);
  EXPECT_EQ(t.Id("<"), 60);
  EXPECT_EQ(t.Id(" "), 32);
  EXPECT_EQ(t.Id("<think>"), std::nullopt);
  EXPECT_EQ(t.Bytes(32), " ");
  EXPECT_EQ(t.Bytes(255), "\xFF");
  EXPECT_EQ(t.Bytes(980), "<end_of_sentence>");
  EXPECT_TRUE(t.IsAdded(980) && t.IsSpecial(980));
  EXPECT_FALSE(t.IsAdded(959) || t.IsSpecial(959) || t.IsAdded(-1) || t.IsSpecial(995));
  for (int32_t id = 0; id < t.vocab_size(); ++id) EXPECT_EQ(t.Id(t.Bytes(id)), id);
}

TEST(Tokenizer, UntrustedTextHasNoSpecialTokens) {
  for (int32_t id = 960; id < 995; ++id) {
    for (const int32_t plain : Small().Encode(Small().Bytes(id), Tokenizer::Special::kPlainText)) EXPECT_LT(plain, 960);
    EXPECT_THAT(Small().Encode(Small().Bytes(id), Tokenizer::Special::kRecognised), ElementsAre(id));
  }
}

TEST(Tokenizer, IdsOutsideTheVocabularyDecodeToNothing) {
  EXPECT_EQ(Small().Decode(std::vector<int32_t>{-1, 97, 995, INT32_MAX, INT32_MIN, 98}, false), "ab");
  StreamDecoder decoder(Small());
  std::string text;
  for (const int32_t id : {0xE4, -5, 0xB8, 100000, 0xAD}) text += decoder.Push(id);
  EXPECT_EQ(text, "\u4E2D");
}

std::string RandomBytes(Rng* rng, size_t length) {
  std::string s;
  const char* pieces[] = {" ",    "\n", "the ", "12", "\u4E2D", "\u00E9", "</", "<end_of_sentence>",
                          "\xFF", "A",  "'s",   "  "};
  while (s.size() < length) {
    if (rng->Chance(0.3)) {
      s += static_cast<char>(rng->Below(256));
    } else {
      s += rng->Pick(pieces);
    }
  }
  return s;
}

TEST(Tokenizer, EveryByteSurvives) {
  Rng rng(1);
  for (int i = 0; i < 500; ++i) {
    const std::string text = RandomBytes(&rng, rng.Below(200));
    for (const auto special : {Tokenizer::Special::kRecognised, Tokenizer::Special::kPlainText}) {
      std::string bytes;
      for (const int32_t id : Small().Encode(text, special)) bytes += Small().Bytes(id);
      EXPECT_EQ(bytes, text);
    }
  }
}

TEST(Tokenizer, StreamOfAnyIdsEqualsDecode) {
  Rng rng(2);
  for (int i = 0; i < 2000; ++i) {
    std::vector<int32_t> ids;
    for (uint64_t n = rng.Below(12); n > 0; --n) {
      ids.push_back(static_cast<int32_t>(rng.Chance(0.8) ? rng.Below(256) : rng.Below(995)));
    }
    const bool skip = rng.Chance(0.5);
    StreamDecoder decoder(Small(), skip);
    std::string text;
    for (const int32_t id : ids) text += decoder.Push(id);
    text += decoder.Flush();
    EXPECT_EQ(text, Small().Decode(ids, skip));
  }
}

TEST(Tokenizer, ManyThreadsShareOne) {
  const std::string text = ReadFile(kSmall / "golden.jsonl");
  const auto expected = Small().Encode(text, Tokenizer::Special::kRecognised);
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (int& r : right) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) r += Small().Encode(text, Tokenizer::Special::kRecognised) == expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, ElementsAre(10, 10, 10, 10));
}

// A merge at a time, the lowest rank first, the leftmost of equals, by looking at all pairs each time.
std::vector<int32_t> NaiveMerge(const std::map<std::pair<int32_t, int32_t>, int32_t>& rank, const std::string& word) {
  std::vector<int32_t> ids;
  for (const char c : word) ids.push_back(static_cast<uint8_t>(c));
  for (;;) {
    int32_t best = INT32_MAX;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto it = rank.find({ids[i], ids[i + 1]});
      if (it != rank.end() && it->second < best) {
        best = it->second;
        at = i;
      }
    }
    if (best == INT32_MAX) return ids;
    ids[at] = 256 + best;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Tokenizer, MergesAsTheDefinitionSays) {
  // Over the letters a, b and c nearly every pair can merge, in many orders.
  BpeTrainer trainer({.merges = 300, .pattern = "[abc]+", .max_token_bytes = 64, .added_tokens = {}});
  Rng rng(3);
  const auto word = [&](size_t length) {
    std::string s;
    while (s.size() < length) s += static_cast<char>('a' + rng.Below(3));
    return s;
  };
  for (int i = 0; i < 200; ++i) trainer.Add(word(100));
  const auto merges = trainer.Train();
  ASSERT_EQ(merges.size(), 300u);
  std::map<std::pair<int32_t, int32_t>, int32_t> rank;
  for (const auto& merge : merges) rank.emplace(merge, static_cast<int32_t>(rank.size()));
  const Tokenizer tokenizer = Tokenizer::FromJson(trainer.TokenizerJson(merges), "the test");
  for (int i = 0; i < 1000; ++i) {
    const std::string s = word(1 + rng.Below(80));
    const auto expected = NaiveMerge(rank, s);
    EXPECT_EQ(tokenizer.Encode(s, Tokenizer::Special::kPlainText), expected) << s;
    EXPECT_EQ(tokenizer.Encode(s, Tokenizer::Special::kPlainText), expected) << "from the cache: " << s;
  }
}

TEST(Tokenizer, AMegabyteWithoutASpace) {
  for (const char* unit : {"a", "ab", "\u4E2D", " ", "7"}) {
    std::string text;
    while (text.size() < (1 << 20)) text += unit;
    const std::clock_t start = std::clock();  // processor time: a busy machine must not fail this
    const auto ids = Small().Encode(text, Tokenizer::Special::kRecognised);
    EXPECT_EQ(Small().Decode(ids, false), text);
    EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 20) << unit;
  }
}

// --- What the file may look like ---

Json SmallJson() { return ReadJsonFile(kSmall / "tokenizer.json"); }
Tokenizer Load(const Json& json) { return Tokenizer::FromJson(json.dump(), "t.json"); }
std::string LoadError(const Json& json) {
  try {
    Load(json);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}
Json& Split(Json& json) { return json["pre_tokenizer"]["pretokenizers"][0]; }

TEST(TokenizerFile, SpellingsOfTheSame) {
  const Json original = SmallJson();
  std::map<std::string, Json> variants;
  Json j = original;
  Split(j)["behavior"] = "Removed";
  Split(j)["invert"] = true;
  variants["Removed and inverted"] = j;
  j = original;
  for (Json& merge : j["model"]["merges"]) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  variants["merges as strings"] = j;
  j["model"]["merges"].insert(j["model"]["merges"].begin(), "#version: 0.2");
  variants["merges with a version line"] = j;
  j = original;
  for (const char* key : {"post_processor", "normalizer", "truncation", "padding", "decoder", "version"}) j.erase(key);
  for (const char* key : {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                          "byte_fallback", "ignore_merges"}) {
    j["model"].erase(key);
  }
  variants["as little as possible"] = j;
  j = original;
  j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
  j["post_processor"] = {{"type", "Sequence"}, {"processors", {original["post_processor"]}}};
  j["decoder"] = {{"type", "Sequence"}, {"decoders", {original["decoder"]}}};
  j["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Sequence"}, {"pretokenizers", {Split(j)}}};
  j["model"]["unk_token"] = "<unk>";
  j["model"]["dropout"] = 0.0;
  j["model"]["continuing_subword_prefix"] = nullptr;
  variants["sequences and nulls"] = j;
  j = Json::object();
  for (auto it = original.rbegin(); it != original.rend(); ++it) j[it.key()] = it.value();
  Json model = Json::object();
  for (auto it = original["model"].rbegin(); it != original["model"].rend(); ++it) model[it.key()] = it.value();
  j["model"] = model;
  variants["keys in reverse"] = j;
  j = original;
  for (Json& token : j["added_tokens"]) token["normalized"] = true;
  variants["added tokens found after normalisation"] = j;

  const std::vector<Json> lines = Lines(kSmall / "golden.jsonl");
  for (const auto& [name, json] : variants) {
    const Tokenizer tokenizer = Load(json);
    for (const Json& line : lines) {
      EXPECT_EQ(tokenizer.Encode(line["text"].get<std::string>(), Tokenizer::Special::kRecognised),
                line["ids"].get<std::vector<int32_t>>())
          << name << ": " << line;
    }
  }
}

TEST(TokenizerFile, OtherPatterns) {
  Json json = SmallJson();
  auto pattern = Split(json)["pattern"]["Regex"].get<std::string>();
  pattern.replace(pattern.find("{1,3}"), 5, "");
  Split(json)["pattern"]["Regex"] = pattern;
  const Tokenizer digits = Load(json);
  EXPECT_THAT(digits.Encode("2024", Tokenizer::Special::kRecognised), ElementsAre('2', '0', '2', '4'));
  EXPECT_THAT(Small().Encode("12", Tokenizer::Special::kRecognised), ::testing::SizeIs(1));

  Split(json) = {{"type", "Digits"}, {"individual_digits", true}};
  EXPECT_THAT(Load(json).Encode("2024", Tokenizer::Special::kRecognised), ElementsAre('2', '0', '2', '4'));

  Split(json) = {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "Removed"}, {"invert", false}};
  const Tokenizer words = Load(json);
  EXPECT_EQ(words.Decode(words.Encode("a b  c", Tokenizer::Special::kRecognised), false), "abc");

  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  EXPECT_THAT(Load(json).Encode("  +", Tokenizer::Special::kRecognised), ElementsAre(' ', *Small().Id(" +")));
}

TEST(TokenizerFile, IgnoreMergesTakesWholeWords) {
  // "ab" + "c" cannot arise from the merges "b c" first, then "a b"; as a whole word it is a token all the same.
  Json vocab = Json::object();
  for (size_t b = 0; b < 256; ++b) vocab[ByteAlphabet()[b]] = b;
  vocab["bc"] = 256;
  vocab["ab"] = 257;
  vocab["abc"] = 258;
  const auto load = [&](bool ignore) {
    return Load({{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                 {"model", {{"ignore_merges", ignore}, {"vocab", vocab}, {"merges", {"b c", "a b", "ab c"}}}}});
  };
  EXPECT_THAT(load(false).Encode("abc", Tokenizer::Special::kPlainText), ElementsAre('a', 256));
  EXPECT_THAT(load(true).Encode("abc", Tokenizer::Special::kPlainText), ElementsAre(258));
  EXPECT_THAT(load(true).Encode("abcb", Tokenizer::Special::kPlainText), ElementsAre('a', 256, 'b'));
}

TEST(TokenizerFile, AddedTokens) {
  Json json = SmallJson();
  const auto add = [&](const char* content, bool special, bool normalized) {
    json["added_tokens"].push_back({{"id", 960 + json["added_tokens"].size()},
                                    {"content", content},
                                    {"special", special},
                                    {"normalized", normalized}});
  };
  add("<x>", false, false);
  add("<x>y", true, false);
  add("q<x", true, true);
  const Tokenizer t = Load(json);
  EXPECT_EQ(t.vocab_size(), 998);
  EXPECT_THAT(t.Encode("<x>y<x>z", Tokenizer::Special::kRecognised), ElementsAre(996, 995, 'z')) << "the longest";
  EXPECT_THAT(t.Encode("q<x>", Tokenizer::Special::kRecognised), ElementsAre('q', 995)) << "not normalised ones first";
  EXPECT_THAT(t.Encode("q<xz", Tokenizer::Special::kRecognised), ElementsAre(997, 'z'));
  EXPECT_EQ(t.Decode(std::vector<int32_t>{996, 995, 97}, true), "<x>a") << "only special ones are skipped";
  EXPECT_TRUE(t.IsAdded(995));
  EXPECT_FALSE(t.IsSpecial(995));
}

TEST(TokenizerFile, AddedTokenFromTheVocabulary) {
  Json json = SmallJson();
  const auto last = json["model"]["vocab"].size();
  for (Json& token : json["added_tokens"]) json["model"]["vocab"][token["content"].get<std::string>()] = token["id"];
  ASSERT_EQ(json["model"]["vocab"].size(), last + 35);
  const Tokenizer t = Load(json);
  EXPECT_EQ(t.vocab_size(), 995);
  EXPECT_TRUE(t.IsSpecial(980));
  EXPECT_EQ(t.Bytes(987), "]<]start of speech[>[");
  for (const Json& line : Lines(kSmall / "golden.jsonl")) {
    EXPECT_EQ(t.Encode(line["text"].get<std::string>(), Tokenizer::Special::kRecognised),
              line["ids"].get<std::vector<int32_t>>());
  }
}

TEST(TokenizerFile, NamesWhatItCannotUse) {
  const Json original = SmallJson();
  const auto error = [&](const char* pointer, const Json& value) {
    Json j = original;
    j[Json::json_pointer(pointer)] = value;
    return LoadError(j);
  };
  const Json nmt = {{"type", "Nmt"}};
  EXPECT_THAT(error("/normalizer", nmt), HasSubstr("t.json: normalizer: the normalizer \"Nmt\""));
  EXPECT_THAT(error("/normalizer", {{"type", "Sequence"}, {"normalizers", {nmt}}}), HasSubstr("\"Nmt\""));
  EXPECT_THAT(error("/truncation", {{"max_length", 5}}), HasSubstr("\"truncation\""));
  EXPECT_THAT(error("/padding", {{"length", 5}}), HasSubstr("\"padding\""));
  EXPECT_THAT(error("/pre_tokenizer", nullptr), HasSubstr("no \"ByteLevel\""));
  EXPECT_THAT(error("/pre_tokenizer", {{"type", "Whitespace"}}), HasSubstr("\"Whitespace\""));
  EXPECT_THAT(error("/pre_tokenizer/pretokenizers/0/behavior", "Merged"), HasSubstr("\"Merged\""));
  EXPECT_THAT(error("/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+"), HasSubstr("\"\\w+\""));
  EXPECT_THAT(error("/pre_tokenizer/pretokenizers/1/add_prefix_space", true), HasSubstr("\"add_prefix_space\""));
  EXPECT_THAT(error("/pre_tokenizer/pretokenizers/2", Split(*std::make_unique<Json>(original))), HasSubstr("behind"));
  EXPECT_THAT(error("/post_processor", {{"type", "TemplateProcessing"}}), HasSubstr("\"single\" must be a list"));
  EXPECT_THAT(error("/decoder", {{"type", "WordPiece"}}), HasSubstr("\"WordPiece\""));
  EXPECT_THAT(error("/model/type", "Unigram"), HasSubstr("\"Unigram\""));
  EXPECT_THAT(error("/model/dropout", 0.1), HasSubstr("\"dropout\""));
  EXPECT_THAT(error("/model/continuing_subword_prefix", "##"), HasSubstr("\"continuing_subword_prefix\""));
  EXPECT_THAT(error("/model/end_of_word_suffix", "</w>"), HasSubstr("\"end_of_word_suffix\""));
  EXPECT_THAT(error("/model/vocab", 3), HasSubstr("\"vocab\" must be an object"));
  EXPECT_THAT(error("/model/vocab/new", 5), HasSubstr("has id 5"));
  EXPECT_THAT(error("/model/vocab/new", 961), HasSubstr("has id 961"));
  EXPECT_THAT(error("/model/vocab/new", -1), HasSubstr("has id -1"));
  EXPECT_THAT(error("/model/vocab/new", "x"), HasSubstr("vocab[\"new\"] must be an integer"));
  EXPECT_THAT(error("/model/vocab/new", Json::array()), HasSubstr("vocab[\"new\"] must be an integer"));
  EXPECT_THAT(error("/model/merges", "x"), HasSubstr("\"merges\" must be a list"));
  EXPECT_THAT(error("/model/merges/3", "a b c"), HasSubstr("model.merges[3]"));
  EXPECT_THAT(error("/model/merges/3", "ab"), HasSubstr("model.merges[3]"));
  EXPECT_THAT(error("/model/merges/3", 7), HasSubstr("model.merges[3]"));
  EXPECT_THAT(error("/model/merges/3", Json::array({"a"})), HasSubstr("model.merges[3] has 1 tokens"));
  EXPECT_THAT(error("/model/merges/3", Json::array({"a", "zqx"})),
              HasSubstr("\"zqx\", which is not in the vocabulary"));
  EXPECT_THAT(error("/added_tokens/4/id", 999), HasSubstr("no error"));
  EXPECT_THAT(error("/added_tokens/4/id", 965), HasSubstr("added_tokens[5]"));
  EXPECT_THAT(error("/added_tokens/4/id", 7), HasSubstr("added_tokens[4]: \"<fim_pad>\" has id 7, as"));
  EXPECT_THAT(error("/added_tokens/4/id", -1), HasSubstr("added_tokens[4]: \"<fim_pad>\" has id -1"));
  EXPECT_THAT(error("/added_tokens/4/lstrip", 1), HasSubstr("added_tokens[4]"));
  EXPECT_THAT(error("/added_tokens/4/content", ""), HasSubstr("\"content\" is empty"));
  EXPECT_THAT(error("/added_tokens/4/content", "<fim_prefix>"), HasSubstr("\"<fim_prefix>\" is listed twice"));
  EXPECT_THAT(error("/added_tokens/4/content", 4), HasSubstr("added_tokens[4]"));
  Json j = original;
  j["model"]["vocab"].erase("Q");
  EXPECT_THAT(LoadError(j), HasSubstr("no token \"Q\" for the byte 0x51"));
  j["model"]["vocab"]["QQQ"] = static_cast<int>('Q');
  EXPECT_THAT(LoadError(j), HasSubstr("no token \"Q\" for the byte 0x51"));
  j = original;
  j.erase("model");
  EXPECT_THAT(LoadError(j), HasSubstr("\"model\" is missing"));
  EXPECT_THAT(LoadError(Json::array()), HasSubstr("t.json"));
  EXPECT_THROW(Tokenizer::FromJson("{\"model\": ", "t"), Error);
  EXPECT_THROW(Tokenizer::FromJson("", "t"), Error);
  EXPECT_THROW(Tokenizer::FromJson(std::string(100000, '['), "t"), Error);
  EXPECT_THROW(Tokenizer::FromFile("/nonexistent/tokenizer.json"), Error);
}

}  // namespace
}  // namespace fulgur
