#include "ops/vec.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/router_ref.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Vec, ExpIsAccurate) {
  for (const std::string& name : SupportedInstructionSets()) {
    UseInstructionSet(name);
    double worst = 0;
    for (float x = -104; x < 88.7f; x += 0.00137f) {
      const double exact = std::exp(static_cast<double>(x));
      const double ulp = std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 23);
      worst = std::max(worst, std::abs(static_cast<double>(Exp(x)) - exact) / ulp);
    }
    EXPECT_LT(worst, 1.2) << name;
  }
  UseInstructionSet("");
}

TEST(Vec, ExpAtTheEnds) {
  for (const std::string& name : SupportedInstructionSets()) {
    UseInstructionSet(name);
    EXPECT_EQ(Exp(0), 1) << name;
    EXPECT_EQ(Exp(-kInfinity), 0) << name;
    EXPECT_EQ(Exp(-1e30f), 0) << name;
    EXPECT_EQ(Exp(kInfinity), kInfinity) << name;
    EXPECT_EQ(Exp(89), kInfinity) << name;
    EXPECT_TRUE(std::isnan(Exp(std::nanf("")))) << name;
    EXPECT_GT(Exp(-103), 0) << name << ": subnormal";
    EXPECT_EQ(Sigmoid(-kInfinity), 0) << name;
    EXPECT_EQ(Sigmoid(kInfinity), 1) << name;
    EXPECT_EQ(Sigmoid(0), 0.5f) << name;
  }
  UseInstructionSet("");
}

TEST(Vec, SoftmaxIsCloseToTheReference) {
  for (int64_t n : kOddSizes) {
    SCOPED_TRACE(n);
    std::vector<float> x = RandomVector(n, 1, 5);
    const std::vector<double> expected = ref::Softmax(As(x));
    Softmax(x.data(), n, x.data());
    ExpectClose(x, expected, 1e-6);
  }
}

TEST(Vec, SoftmaxOfHugeAndAbsentLogits) {
  std::vector<float> x = {-kInfinity, 3e38f, -3e38f, 3e38f};
  Softmax(x.data(), 4, x.data());
  EXPECT_THAT(x, testing::ElementsAre(0, 0.5f, 0, 0.5f));
}

TEST(Vec, SameBitsOnAllInstructionSets) {
  for (int64_t n : {1, 7, 16, 33, 100, 4099}) {
    SCOPED_TRACE(n);
    ExpectSameOnAllInstructionSets([n] {
      std::vector<float> x = RandomVector(n, 2, 20);
      std::vector<float> y(x.size());
      Softmax(x.data(), n, y.data());
      for (float v : x) y.insert(y.end(), {Exp(v), Sigmoid(v)});
      return y;
    });
  }
}

}  // namespace
}  // namespace fulgur
