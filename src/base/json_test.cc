#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_as_given.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

template <typename T>
T Get(const char* text, const char* key = "x") {
  return JsonGet<T>(ParseJson(text, "here"), key, "here");
}

TEST(Json, KeepsTheOrderOfKeys) {
  EXPECT_EQ(ParseJson(R"({"b": 1, "a": [true, null, "x"]})", "here").dump(), R"({"b":1,"a":[true,null,"x"]})");
}

TEST(Json, BadTextNamesWhere) {
  for (const char* text : {"", "{", "[1,]", "nul", "{\"a\" 1}", "\"\xff\"", "1 2", "[1e999]"}) {
    EXPECT_THAT([&] { ParseJson(text, "line 3 of x.jsonl"); }, ThrowsMessage<Error>(HasSubstr("line 3 of x.jsonl")))
        << text;
  }
}

TEST(Json, MessagesAreInOurOwnName) {
  for (const char* text : {"{", "[1,]", "[1e999]", ""}) {
    try {
      ParseJson(text, "here");
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), AllOf(HasSubstr("not valid JSON: "), testing::Not(HasSubstr("exception")))) << text;
    }
  }
}

TEST(Json, DuplicateKeys) {
  EXPECT_THAT([] { ParseJson(R"({"a": {"b": 1, "c": 2, "b": 3}})", "here"); },
              ThrowsMessage<Error>(AllOf(HasSubstr("here"), HasSubstr("\"b\" appears twice"))));
  EXPECT_NO_THROW(ParseJson(R"({"a": {"b": 1}, "b": {"a": 2}})", "here"));
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW(ParseJson(nested(500), "here"));
  EXPECT_THAT([&] { ParseJson(nested(600), "here"); }, ThrowsMessage<Error>(HasSubstr("nested deeper than 512")));
  EXPECT_THROW(ParseJson(std::string(3000000, '['), "here"), Error);
}

TEST(Json, Integers) {
  EXPECT_EQ(Get<int64_t>(R"({"x": -3})"), -3);
  EXPECT_EQ(Get<int64_t>(R"({"x": 9223372036854775807})"), INT64_MAX);
  EXPECT_EQ(Get<int64_t>(R"({"x": 1e6})"), 1000000);
  for (const char* text : {R"({"x": 1.5})", R"({"x": true})", R"({"x": "1"})", R"({"x": null})", R"({"x": [1]})",
                           R"({"x": 9223372036854775808})", R"({"x": 1e300})"}) {
    EXPECT_THAT([&] { Get<int64_t>(text); }, ThrowsMessage<Error>(AllOf(HasSubstr("here"), HasSubstr("\"x\""))))
        << text;
  }
}

TEST(Json, OtherTypes) {
  EXPECT_TRUE(Get<bool>(R"({"x": true})"));
  EXPECT_EQ(Get<double>(R"({"x": 3})"), 3.0);
  EXPECT_EQ(Get<std::string>(R"({"x": "é"})"), "é");
  EXPECT_THAT([] { Get<bool>(R"({"x": 1})"); }, ThrowsMessage<Error>(HasSubstr("true or false, found 1")));
  EXPECT_THAT([] { Get<double>(R"({"x": "3"})"); }, ThrowsMessage<Error>(HasSubstr("a number")));
  EXPECT_THAT([] { Get<std::string>(R"({"x": 3})"); }, ThrowsMessage<Error>(HasSubstr("a string")));
}

TEST(Json, BigIntegersKeepTheirDigits) {
  for (const char* digits : {"100000000000000000000", "-9223372036854775809", "18446744073709551616",
                             "123456789012345678901234567890123456789012345678901234567890"}) {
    const std::string text = fmt::format(R"({{"é":[{},1,1.5],"b":{{"c":{}}}}})", digits, digits);
    const Json json = ParseJsonAsGiven(text, "here");
    EXPECT_TRUE(IsBigInteger(json["é"][0])) << digits;
    EXPECT_EQ(BigIntegerDigits(json["b"]["c"]), digits);
    EXPECT_EQ(DumpJson(json), text);
  }
  for (const char* number : {"18446744073709551615", "-9223372036854775808", "1e20", "100000000000000000000.0"}) {
    EXPECT_FALSE(IsBigInteger(ParseJsonAsGiven(number, "here"))) << number;
  }
  EXPECT_TRUE(ParseJson("100000000000000000000", "here").is_number_float());
}

TEST(Json, KeysThatAppearTwiceAreKept) {
  const Json json = ParseJsonAsGiven(R"({"x": [{"a": 1, "b": 2, "a": 3}]})", "here");
  EXPECT_EQ(DumpJson(json), R"({"x":[{"a":1,"b":2,"a":3}]})");
  EXPECT_EQ(RepeatedKey(json), "a");
  EXPECT_EQ(RepeatedKey(ParseJsonAsGiven(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]})", "here")), std::nullopt);
}

TEST(Json, HalvesOfCharactersBecomeReplacements) {
  const auto parsed = [](const std::string& text) { return ParseJsonAsGiven(text, "here").get<std::string>(); };
  const std::string half = "\xEF\xBF\xBD";
  EXPECT_EQ(parsed(R"("a\ud83d")"), "a" + half);
  EXPECT_EQ(parsed(R"("\uDE00b\ud83d\ud83d\ude00\ud83d\n")"), half + "b" + half + "\xF0\x9F\x98\x80" + half + "\n");
  EXPECT_EQ(parsed(R"("\\ud83d \ud7ff")"), "\\ud83d \xED\x9F\xBF");  // no escape, and no half
  for (const char* broken : {R"("\ud8)", R"("\ud8zz")", R"("\ud83)"}) EXPECT_THROW(parsed(broken), Error) << broken;
}

TEST(Json, DumpReplacesWhatIsNoText) {
  EXPECT_EQ(DumpJson(Json{{"k\xff", "\xc3"}}), "{\"k\xEF\xBF\xBD\":\"\xEF\xBF\xBD\"}");
  EXPECT_EQ(DumpJson(nullptr), "null");
}

TEST(Json, MissingKeys) {
  EXPECT_THAT([] { Get<int64_t>("{}"); }, ThrowsMessage<Error>(HasSubstr("\"x\" is missing")));
  EXPECT_THAT([] { Get<int64_t>("[]"); }, ThrowsMessage<Error>(HasSubstr("expected a JSON object")));
  const Json object = ParseJson(R"({"null": null, "wrong": "s"})", "here");
  EXPECT_EQ(JsonGetOr<int64_t>(object, "none", 5, "here"), 5);
  EXPECT_EQ(JsonGetOr<int64_t>(object, "null", 5, "here"), 5);
  EXPECT_THROW(JsonGetOr<int64_t>(object, "wrong", 5, "here"), Error);
}

TEST(Json, LongValuesAreCutInMessages) {
  const std::string text = R"({"x": ")" + std::string(10000, 'a') + "\"}";
  try {
    Get<int64_t>(text.c_str());
    FAIL();
  } catch (const Error& e) {
    EXPECT_LT(std::string(e.what()).size(), 200u);
  }
}

// Quadratic time, which a linear search at each insertion would give, would be minutes.
TEST(Json, ManyKeys) {
  std::string text = "{";
  for (int i = 0; i < 300000; ++i) text += fmt::format("{}\"key{}\": [{}]", i == 0 ? "" : ", ", i, i);
  EXPECT_EQ(ParseJson(text + "}", "here").size(), 300000u);
}

}  // namespace
}  // namespace fulgur
