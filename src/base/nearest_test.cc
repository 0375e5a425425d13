#include "base/nearest.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace fulgur {
namespace {

TEST(Nearest, Distances) {
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("steps", "steps"), 0u);
  EXPECT_EQ(EditDistance("stpes", "steps"), 1u);  // two that are swapped
  EXPECT_EQ(EditDistance("hiden_size", "hidden_size"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("ca", "abc"), 3u);  // nothing is edited twice
}

TEST(Nearest, TheNameThatWasMeant) {
  const std::set<std::string> names{"chat", "train", "train-tokenizer", "eval", "env", "rl", "steps", "tokens"};
  EXPECT_EQ(Nearest("caht", names), "chat");
  EXPECT_EQ(Nearest("tarin", names), "train");
  EXPECT_EQ(Nearest("train-tokeniser", names), "train-tokenizer");
  EXPECT_EQ(Nearest("stpes", names), "steps");
  EXPECT_EQ(Nearest("frobnicate", names), "");
  EXPECT_EQ(Nearest("xy", names), "");
  EXPECT_EQ(DidYouMean("caht", names), "; did you mean \"chat\"?");
  EXPECT_EQ(DidYouMean("frobnicate", names), "");
}

}  // namespace
}  // namespace fulgur
