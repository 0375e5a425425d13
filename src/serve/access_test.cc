// Keys and figures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/test_folder.h"
#include "serve/api_keys.h"
#include "serve/metrics.h"

namespace fulgur {
namespace {

using testing::HasSubstr;

TEST(ApiKeys, OnlyWhatWasAddedIsContained) {
  ApiKeys keys;
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.Contains(""));
  keys.Add("sk-one");
  keys.Add("sk-two");
  EXPECT_TRUE(keys.Contains("sk-one"));
  EXPECT_TRUE(keys.Contains("sk-two"));
  for (const char* other : {"", "sk-", "sk-on", "sk-one ", "SK-ONE", "sk-three"})
    EXPECT_FALSE(keys.Contains(other)) << other;
  EXPECT_THROW(keys.Add(""), Error);
  EXPECT_THROW(keys.Add("a b"), Error);
}

TEST(ApiKeys, FromAFile) {
  const TestFolder folder;
  std::ofstream(folder / "keys") << "# mine\nabc\r\n\n  \ndef \n";
  ApiKeys keys;
  keys.AddFile(folder / "keys");
  EXPECT_TRUE(keys.Contains("abc"));
  EXPECT_TRUE(keys.Contains("def"));
  EXPECT_FALSE(keys.Contains("# mine"));
  std::ofstream(folder / "none") << "# nothing\n";
  EXPECT_THROW(keys.AddFile(folder / "none"), Error);
  std::ofstream(folder / "bad") << "abc\nd e\n";
  try {
    keys.AddFile(folder / "bad");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("line 2"));
  }
}

TEST(Metrics, HistogramsAreCumulative) {
  Histogram histogram({1, 2, 4});
  for (const double value : {0.5, 1.0, 3.0, 100.0}) histogram.Add(value);
  std::string text;
  histogram.Write("x", "help", &text);
  EXPECT_EQ(text,
            "# HELP x help\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"2\"} 2\nx_bucket{le=\"4\"} 3\n"
            "x_bucket{le=\"+Inf\"} 4\nx_sum 104.5\nx_count 4\n");
}

TEST(Metrics, RequestsByPathAndStatus) {
  ServerMetrics metrics;
  metrics.CountRequest("/a", 200);
  metrics.CountRequest("/a", 200);
  metrics.CountRequest("/a", 404);
  std::string text;
  metrics.Write(&text);
  EXPECT_THAT(text, HasSubstr("fulgur_http_requests_total{path=\"/a\",status=\"200\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("fulgur_http_requests_total{path=\"/a\",status=\"404\"} 1\n"));
}

}  // namespace
}  // namespace fulgur
