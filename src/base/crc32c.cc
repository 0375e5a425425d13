#include "base/crc32c.h"

#include <array>
#include <cstring>

namespace fulgur {
namespace {

// tables[k][b]: the CRC register after byte b and k zero bytes, so that eight bytes are taken at a time.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t r = b;
    for (int i = 0; i < 8; ++i) r = (r >> 1) ^ ((r & 1) != 0 ? 0x82f63b78u : 0u);
    tables[0][b] = r;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc) {
  const auto* p = static_cast<const unsigned char*>(data);
  uint32_t r = ~crc;
  for (; bytes >= 8; bytes -= 8, p += 8) {
    r ^= uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
    r = kTables[7][r & 0xff] ^ kTables[6][(r >> 8) & 0xff] ^ kTables[5][(r >> 16) & 0xff] ^ kTables[4][r >> 24] ^
        kTables[3][p[4]] ^ kTables[2][p[5]] ^ kTables[1][p[6]] ^ kTables[0][p[7]];
  }
  for (; bytes > 0; --bytes, ++p) r = (r >> 8) ^ kTables[0][(r ^ *p) & 0xff];
  return ~r;
}

}  // namespace fulgur
