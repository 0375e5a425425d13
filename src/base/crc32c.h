// CRC-32C (Castagnoli), as iSCSI (RFC 3720) and TFRecord files use it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fulgur {

// The CRC of `data`, or of what came before (its CRC in `crc`) followed by `data`.
uint32_t Crc32c(const void* data, size_t bytes, uint32_t crc = 0);

}  // namespace fulgur
