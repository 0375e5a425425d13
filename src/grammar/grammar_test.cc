#include "grammar/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "grammar/char_automaton.h"

namespace fulgur {
namespace {

std::string Utf8(char32_t c) {
  std::string text;
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
  if (c < 0x10000) {
    return {static_cast<char>(0xe0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3f)),
            static_cast<char>(0x80 | (c & 0x3f))};
  }
  return {static_cast<char>(0xf0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 0x3f)),
          static_cast<char>(0x80 | ((c >> 6) & 0x3f)), static_cast<char>(0x80 | (c & 0x3f))};
}

TEST(GrammarTest, PiecesMatchWhatTheySay) {
  GrammarBuilder b;
  const GrammarPiece x = b.Literal("x");
  const auto list = b.Sequence({b.OneOf({"ab", "abc", "b", ""}), b.Repeat(x, 2, 3), b.Optional(b.Literal("!")),
                                b.Repeat(b.Literal("yz"), 3, 100), b.Repeat(b.Literal("."), 0)});
  const auto grammar = b.Build(list);
  for (const char* text : {"abxxyzyzyz", "abcxxx!yzyzyz...", "xxyzyzyzyzyz", "bxx!yzyzyz"}) {
    EXPECT_TRUE(grammar->Matches(text)) << text;
  }
  for (const char* text : {"", "abx", "abxxxxyzyzyz", "axxyzyzyz", "xxyzyz", "xx!!yzyzyz", "xxyzyzyz. "}) {
    EXPECT_FALSE(grammar->Matches(text)) << text;
  }
  const std::string most = "xx" + [] {
    std::string s;
    for (int i = 0; i < 100; ++i) s += "yz";
    return s;
  }();
  EXPECT_TRUE(grammar->Matches(most));
  EXPECT_FALSE(grammar->Matches(most + "yz"));
}

TEST(GrammarTest, CharactersAreUtf8) {
  Rng rng(3);
  for (int round = 0; round < 30; ++round) {
    // Ranges with bounds near where the length of the encoding changes.
    std::vector<char32_t> bounds;
    while (bounds.size() < 8) {
      const char32_t near[] = {0,      0x21,   0x7f,   0x80,   0x7ff,   0x800,   0xfff,
                               0x1000, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};
      bounds.push_back(std::min<char32_t>(rng.Chance(0.5) ? near[rng.Below(13)] + static_cast<char32_t>(rng.Below(3))
                                                          : static_cast<char32_t>(rng.Below(0x110000)),
                                          0x110000));
    }
    std::sort(bounds.begin(), bounds.end());
    CodePointSet set;
    for (size_t i = 0; i < 8; i += 2) {
      if (bounds[i] < bounds[i + 1]) set.Add(bounds[i], bounds[i + 1]);
    }
    set.Normalize();
    if (set.empty()) continue;
    GrammarBuilder b;
    std::shared_ptr<const Grammar> grammar;
    try {
      grammar = b.Build(b.Sequence({b.Literal("|"), b.Characters(set)}));
    } catch (const Error&) {
      continue;  // surrogates only
    }
    for (int i = 0; i < 400; ++i) {
      const char32_t near = bounds[rng.Below(8)];
      const char32_t c =
          rng.Chance(0.6) ? near + static_cast<char32_t>(rng.Below(5)) - 2 : static_cast<char32_t>(rng.Below(0x110000));
      if (c >= 0x110000) continue;
      const bool surrogate = c >= 0xd800 && c < 0xe000;
      EXPECT_EQ(grammar->Matches("|" + Utf8(c)), !surrogate && set.Contains(c)) << std::hex << static_cast<uint32_t>(c);
    }
  }
}

TEST(GrammarTest, JsonStringsHaveWholeCharactersAndWholeEscapes) {
  GrammarBuilder b;
  const auto any = b.Build(b.JsonString(0));
  const auto some = b.Build(b.JsonString(2, 3));
  for (const char* text :
       {"\"\"", "\"ab\"", "\"\\u00e9\\n\"", "\"\\uD83D\\ude00\"", "\"\u4e2d\U0001F600\"", "\"\x7f\""}) {
    EXPECT_TRUE(any->Matches(text)) << text;
  }
  for (const char* text :
       {"\"", "\"a", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\xff\"",
        "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"a\"b"}) {
    EXPECT_FALSE(any->Matches(text)) << text;
  }
  for (const char* text : {"\"ab\"", "\"\\ud83d\\ude00\u4e2d\\n\"", "\"abc\""})
    EXPECT_TRUE(some->Matches(text)) << text;
  for (const char* text : {"\"a\"", "\"\\ud83d\\ude00\"", "\"abcd\"", "\"\""})
    EXPECT_FALSE(some->Matches(text)) << text;
  EXPECT_TRUE(b.Build(b.JsonString(0, 0))->Matches("\"\""));
}

TEST(GrammarTest, JsonTextIsEscapedWhereItMustBe) {
  GrammarBuilder b;
  const auto automaton =
      std::make_shared<const CharAutomaton>(CharAutomaton::FromPattern("^[\"\\\\\\n\\x01a/\u00e9]+$", "test"));
  const auto grammar = b.Build(b.JsonText(automaton));
  EXPECT_TRUE(grammar->Matches("\\\"\\\\\\n\\u0001a/\u00e9"));
  for (const char* text : {"\"", "\\", "\n", "\x01", "\\a", "b", "\u00e8", ""})
    EXPECT_FALSE(grammar->Matches(text)) << text;
}

TEST(GrammarTest, TextWithoutATag) {
  GrammarBuilder b;
  const auto without = b.Build(b.TextWithout("<<a>", false));
  const auto until = b.Build(b.Sequence({b.TextWithout("<<a>", true), b.Literal("!")}));
  EXPECT_TRUE(without->Matches("x<<<a <a> \u00e9<<"));
  EXPECT_TRUE(without->Matches(""));
  EXPECT_FALSE(without->Matches("x<<<a>"));
  EXPECT_TRUE(until->Matches("x<<\u00e9<<<a>!"));
  EXPECT_FALSE(until->Matches("x<<a>"));
  EXPECT_FALSE(until->Matches("x!"));
  EXPECT_FALSE(without->Matches("\xff"));
}

TEST(GrammarTest, TheGrammarBeginsWithTheByteAfterTheThinking) {
  GrammarBuilder b;
  const auto grammar = b.Build(b.Literal("{}"));
  const auto matches = [&](Grammar::Start start, std::string_view text) {
    GrammarState state = grammar->Begin(start);
    return grammar->Advance(&state, text) && state.can_end;
  };
  EXPECT_TRUE(matches(Grammar::Start::kMayThink, "{}"));
  EXPECT_TRUE(matches(Grammar::Start::kMayThink, "\n<think>\xff {<</think</think>\n\n{}"));
  EXPECT_TRUE(matches(Grammar::Start::kMayThink, "<think></think>{}"));
  EXPECT_FALSE(matches(Grammar::Start::kMayThink, "x<think></think>{}"));
  EXPECT_FALSE(matches(Grammar::Start::kMayThink, "<think></think>x{}"));
  EXPECT_TRUE(matches(Grammar::Start::kThinking, "a</think>{}"));
  EXPECT_FALSE(matches(Grammar::Start::kThinking, "{}"));
  EXPECT_FALSE(matches(Grammar::Start::kAnswer, "<think></think>{}"));
  EXPECT_FALSE(matches(Grammar::Start::kAnswer, "\n{}"));
  EXPECT_FALSE(matches(Grammar::Start::kMayThink, "\n{}"));
  const std::string space(Grammar::kMaxLeadingSpace, ' ');
  EXPECT_TRUE(matches(Grammar::Start::kThinking, "</think>" + space + "{}"));
  EXPECT_FALSE(matches(Grammar::Start::kThinking, "</think>" + space + " {}"));

  GrammarState state = grammar->Begin(Grammar::Start::kMayThink);
  EXPECT_TRUE(grammar->InThinking(state));
  EXPECT_TRUE(grammar->Advance(&state, "<think>.</think"));
  EXPECT_TRUE(grammar->InThinking(state));
  EXPECT_TRUE(grammar->Advance(&state, ">"));
  EXPECT_FALSE(grammar->InThinking(state));
  EXPECT_FALSE(state.can_end);
  EXPECT_TRUE(grammar->Advance(&state, "{}"));
  EXPECT_TRUE(state.must_end());
}

TEST(GrammarTest, NestingIsBoundedAndNeverADeadEnd) {
  // Innermost is something that needs two more return addresses.
  GrammarBuilder b;
  const GrammarPiece value = b.DeclareRule();
  const GrammarPiece four = b.DeclareRule(), leaf = b.DeclareRule();
  b.DefineRule(leaf, b.Sequence({b.Literal("."), b.Literal("")}));
  b.DefineRule(four, b.Sequence({b.Literal("("), leaf, b.Literal(")")}));
  b.DefineRule(value,
               b.Choice({b.Sequence({b.Literal("["), value, b.Literal("]")}), b.Sequence({four, b.Literal(";")})}));
  const auto grammar = b.Build(value);
  GrammarState state = grammar->Begin(Grammar::Start::kAnswer), next;
  int depth = 0;
  while (grammar->Advance(state, '[', &next)) {
    std::swap(state, next);
    ASSERT_LT(++depth, 1000);
  }
  EXPECT_GT(depth, 200);
  EXPECT_TRUE(grammar->Advance(&state, "(.);"));
  EXPECT_TRUE(grammar->Advance(&state, std::string(static_cast<size_t>(depth), ']')));
  EXPECT_TRUE(state.must_end());
}

TEST(GrammarTest, WhatCannotBeIsAnError) {
  GrammarBuilder b;
  EXPECT_THROW(b.Build(b.Choice({})), Error);
  EXPECT_THROW(b.Build(b.OneOf({})), Error);
  const GrammarPiece endless = b.DeclareRule();
  b.DefineRule(endless, b.Sequence({b.Literal("a"), endless}));
  EXPECT_THROW(b.Build(endless), Error);
  const auto other_way = b.Build(b.Choice({endless, b.Literal("b")}));
  EXPECT_TRUE(other_way->Matches("b"));
  GrammarState state = other_way->Begin(Grammar::Start::kAnswer);
  EXPECT_FALSE(other_way->Advance(&state, "a"));  // that way there is no end
  const GrammarPiece left = b.DeclareRule();
  b.DefineRule(left, b.Choice({b.Literal("a"), b.Sequence({b.Optional(b.Literal("-")), left, b.Literal("b")})}));
  EXPECT_THROW(b.Build(left), Error);
  EXPECT_THROW(b.Build(b.Repeat(b.Optional(b.Literal("a")), 3, 5)), Error);
  EXPECT_TRUE(b.Build(b.Repeat(b.Repeat(b.Literal("a"), 0), 0))->Matches("aaa"));
  std::vector<GrammarPiece> many;
  for (int i = 0; i < 3000; ++i)
    many.push_back(b.Literal(std::string(100, static_cast<char>('a' + i % 26)) + std::to_string(i)));
  EXPECT_THROW(b.Build(b.Sequence(many)), Error);
}

TEST(GrammarTest, AnAmbiguousGrammarStaysBoundedAndComesToItsEnd) {
  GrammarBuilder b;
  const GrammarPiece a = b.Literal("a");
  // Every count of the first repetition is another way to read the same text.
  const auto grammar = b.Build(b.Sequence({b.Repeat(a, 0, 5000), b.Repeat(a, 0, 5000), b.Literal("b")}));
  GrammarState state = grammar->Begin(Grammar::Start::kAnswer);
  for (int i = 0; i < 1500; ++i) ASSERT_TRUE(grammar->Advance(&state, "a"));
  EXPECT_LE(state.positions.size(), kMaxGrammarAlternatives);
  EXPECT_TRUE(grammar->Advance(&state, "b"));
  EXPECT_TRUE(state.must_end());
}

TEST(GrammarTest, StacksShareAndCompare) {
  const GrammarStack empty;
  const GrammarStack a = empty.Push(1, 2).Push(3, 4), b = empty.Push(1, 2).Push(3, 4), c = empty.Push(1, 3).Push(3, 4);
  EXPECT_EQ(a, b);
  EXPECT_FALSE(a == c);
  EXPECT_FALSE(a == empty);
  EXPECT_EQ(a.Below(), empty.Push(1, 2));
  EXPECT_EQ(a.depth(), 2u);
  GrammarStack deep;
  for (uint32_t i = 0; i < 1'000'000; ++i) deep = deep.Push(i, 0);
  EXPECT_EQ(deep.depth(), 1'000'000u);  // and goes without recursion
}

}  // namespace
}  // namespace fulgur
