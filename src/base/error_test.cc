#include "base/error.h"

#include <gtest/gtest.h>

namespace fulgur {
namespace {

TEST(Error, CarriesTheFormattedText) {
  EXPECT_STREQ(Error("{}: expected {}, found {}", "config.json", 3, "x").what(), "config.json: expected 3, found x");
  EXPECT_STREQ(Error("braces {} as they are").what(), "braces {} as they are");
}

TEST(CheckDeathTest, NamesPlaceConditionAndMessage) {
  const int rows = 3;
  EXPECT_DEATH(FULGUR_CHECK(rows == 4), "error_test.cc:[0-9]+: check failed: rows == 4");
  EXPECT_DEATH(FULGUR_CHECK(rows == 4, "{} rows", rows), "check failed: rows == 4: 3 rows");
  FULGUR_CHECK(rows == 3, "{} rows", rows);
}

}  // namespace
}  // namespace fulgur
