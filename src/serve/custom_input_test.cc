#include "serve/custom_input.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace fulgur {
namespace {

TEST(CustomInput, IsTheStringHoweverTheArgumentsAreCut) {
  const std::string texts[] = {"",
                               "*** Begin Patch\n+\ta \"b\" \\\\ c\n",
                               "\xed\x95\x9c \xc3\xa9",
                               "\xf0\x9f\x98\x80",
                               "ends in \xed\x95\x9c",
                               "{\"input\": \"x\"}"};
  for (const std::string& text : texts) {
    for (const bool ascii : {false, true}) {  // with \u escapes
      const std::string arguments = "{\"input\": " + Json(text).dump(-1, ' ', ascii) + "}";
      for (size_t piece = 1; piece <= arguments.size(); ++piece) {
        CustomInput input;
        std::string got;
        for (size_t i = 0; i < arguments.size(); i += piece) got += input.Push(arguments.substr(i, piece));
        EXPECT_EQ(got, text) << arguments << " in pieces of " << piece;
      }
    }
  }
}

TEST(CustomInput, WhatIsCutOrBroken) {
  EXPECT_EQ(CustomInput().Push(R"({"input": "ab\)"), "ab");
  EXPECT_EQ(CustomInput().Push(R"({"input": "ab\u00)"), "ab");
  EXPECT_EQ(CustomInput().Push(R"({"inp)"), "");
  EXPECT_EQ(CustomInput().Push(R"({"input": "\ud83dx\udc00"})"), "\xef\xbf\xbdx\xef\xbf\xbd");
}

}  // namespace
}  // namespace fulgur
