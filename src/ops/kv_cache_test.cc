#include "ops/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/aligned.h"
#include "base/bf16.h"
#include "ops/test_util.h"

namespace fulgur {
namespace {

using Block = AlignedVector<std::byte>;

Block ZeroBlock(const KvLayout& layout) { return Block(static_cast<size_t>(layout.block_bytes())); }

TEST(KvCache, Names) {
  for (const KvFormat format : kAllKvFormats) EXPECT_EQ(KvFormatFromName(KvFormatName(format)), format);
  EXPECT_FALSE(KvFormatFromName("fp8"));
}

TEST(KvCache, Sizes) {
  // MiniMax-M1: 8 kv heads of 128.
  EXPECT_EQ(KvLayout(KvFormat::kF32, 8, 128).token_bytes(), 8192);
  EXPECT_EQ(KvLayout(KvFormat::kBf16, 8, 128).token_bytes(), 4096);
  EXPECT_EQ(KvLayout(KvFormat::kInt8, 8, 128).token_bytes(), 2048 + 8 * 2 * 4);
  // Values are padded to 32 components.
  EXPECT_EQ(KvLayout(KvFormat::kBf16, 3, 40).block_bytes(), 3 * 64 * (40 + 64) * 2);
  EXPECT_EQ(KvLayout(KvFormat::kBf16Dot, 3, 39).block_bytes(), 3 * 64 * (40 + 64) * 2);
}

TEST(KvCache, StoresRowsAndNothingElse) {
  for (const int64_t d : {40, 33}) {
    const int64_t heads = 3, stride = heads * d;
    const std::vector<float> k = RandomVector(kKvBlock * stride, 1), v = RandomVector(kKvBlock * stride, 2);
    for (const KvFormat format : kAllKvFormats) {
      SCOPED_TRACE(KvFormatName(format));
      const KvLayout layout(format, heads, d);
      Block block = ZeroBlock(layout), whole = block;
      std::vector<float> key(static_cast<size_t>(d)), value(key);
      // Pieces, the heads and positions out of order, give what all at once gives.
      for (int64_t h = 0; h < heads; ++h)
        layout.Write(whole.data(), h, 0, View(k, kKvBlock, stride).Cols(h * d, d),
                     View(v, kKvBlock, stride).Cols(h * d, d));
      for (const auto& [from, to] : {std::pair{33, 64}, {0, 1}, {1, 33}}) {
        for (const int64_t h : {2, 0, 1}) {
          const auto part = [&](const std::vector<float>& x) {
            return View(x, kKvBlock, stride).Rows({from, to - from}).Cols(h * d, d);
          };
          layout.Write(block.data(), h, from, part(k), part(v));
        }
        if (from == 33) {  // rows before are still zero
          layout.Read(block.data(), 2, 32, key.data(), value.data());
          for (const float x : key) EXPECT_EQ(x, 0);
          for (const float x : value) EXPECT_EQ(x, 0);
        }
      }
      EXPECT_EQ(block, whole);
      for (int64_t h = 0; h < heads; ++h) {
        for (int64_t t = 0; t < kKvBlock; ++t) {
          layout.Read(block.data(), h, t, key.data(), value.data());
          for (const auto& [in, out] : {std::pair{&k, &key}, {&v, &value}}) {
            const std::vector<float> row = Slice(*in, t * stride + h * d, d);
            float largest = 0;
            for (const float x : row) largest = std::max(largest, std::abs(x));
            for (size_t i = 0; i < row.size(); ++i) {
              const float got = (*out)[i];
              if (format == KvFormat::kF32) {
                EXPECT_EQ(got, row[i]);
              } else if (format == KvFormat::kBf16 || format == KvFormat::kBf16Dot) {
                EXPECT_EQ(got, ToFloat(ToBf16(row[i])));
              } else if (format == KvFormat::kInt8) {
                EXPECT_NEAR(got, row[i], largest / 127 * 0.5001f);
              }
            }
          }
        }
      }
    }
  }
}

TEST(KvCache, Int8RowsThatAreZeroTinyOrNotFinite) {
  const int64_t d = 5;
  const KvLayout layout(KvFormat::kInt8, 1, d);
  Block block = ZeroBlock(layout);
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<std::vector<float>> rows = {
      {0, 0, 0, 0, 0}, {1e-40f, 0, 0, 0, 0}, {1, inf, 0, 0, 2}, {NAN, 1, 1, 1, 1}, {3e38f, -3e38f, 1e38f, 0, 0}};
  std::vector<float> k(static_cast<size_t>(d)), v(k);
  for (size_t r = 0; r < rows.size(); ++r) {
    layout.Write(block.data(), 0, static_cast<int64_t>(r), Row(rows[r]), Row(rows[r]));
    layout.Read(block.data(), 0, static_cast<int64_t>(r), k.data(), v.data());
    for (size_t i = 0; i < k.size(); ++i) {
      if (r < 2) {
        EXPECT_EQ(k[i], 0);
      } else if (r == 2 || r == 3) {
        EXPECT_TRUE(std::isnan(k[i]) && std::isnan(v[i]));
      } else if (r == 4) {
        EXPECT_NEAR(k[i], rows[r][i], 3e38f / 127);
      }
    }
  }
}

}  // namespace
}  // namespace fulgur
