#include <zlib.h>

#include <array>
#include <string_view>

#include "base/ascii.h"
#include "base/error.h"
#include "code/code_problem.h"

namespace fulgur {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;

std::string FromBase64(std::string_view text, const std::string& where) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=' || IsSpace(c)) continue;
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      throw Error("{}: must be JSON, or base64 of zlib of a pickled text; it is neither", where);
    }
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>((bits >> (count -= 8)) & 0xff);
  }
  return bytes;
}

std::string Inflate(const std::string& bytes, const std::string& where) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw Error("{}: zlib cannot be started", where);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string text;
  std::array<char, 65536> buffer;
  int result = Z_OK;
  while (result == Z_OK && text.size() <= kMostBytes) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = buffer.size();
    result = inflate(&stream, Z_NO_FLUSH);
    if (result == Z_OK || result == Z_STREAM_END) text.append(buffer.data(), buffer.size() - stream.avail_out);
    if (result == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) break;  // cut off
  }
  inflateEnd(&stream);
  if (result != Z_STREAM_END) throw Error("{}: its base64 does not hold a whole zlib stream", where);
  return text;
}

// Reads a pickle that is nothing but one text.
class Pickle {
 public:
  Pickle(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::string OneText() {
    constexpr uint8_t kProto = 0x80, kFrame = 0x95, kMemoize = 0x94, kBinPut = 'q', kLongBinPut = 'r', kStop = '.';
    std::string text;
    bool have = false;
    if (Byte() != kProto) Refuse();
    Byte();  // the protocol's version
    for (;;) {
      const uint8_t code = Byte();
      if (code == kStop && have && at_ == bytes_.size()) return text;
      if (code == kFrame) {
        Number(8);
      } else if (code == kMemoize) {
      } else if (code == kBinPut) {
        Number(1);
      } else if (code == kLongBinPut) {
        Number(4);
      } else if (!have && (code == 0x8c || code == 'X' || code == 0x8d)) {  // a text with 1, 4 or 8 bytes of length
        text = Text(Number(code == 0x8c ? 1 : code == 'X' ? 4 : 8));
        have = true;
      } else {
        Refuse();
      }
    }
  }

 private:
  [[noreturn]] void Refuse() const {
    throw Error("{}: the pickle in it is not one text alone, and pickles are not run; write the tests as JSON", where_);
  }
  uint8_t Byte() {
    if (at_ >= bytes_.size()) Refuse();
    return static_cast<uint8_t>(bytes_[at_++]);
  }
  uint64_t Number(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(Byte()) << (8 * i);
    return value;
  }
  std::string Text(uint64_t size) {
    if (size > bytes_.size() - at_) Refuse();
    std::string text(bytes_.substr(at_, size));
    at_ += size;
    return text;
  }

  std::string_view bytes_;
  const std::string& where_;
  size_t at_ = 0;
};

}  // namespace

std::string DecodePrivateTests(const std::string& text, const std::string& where) {
  const std::string_view trimmed = Trim(text);
  if (trimmed.empty() || trimmed[0] == '[' || trimmed[0] == '{') return text;
  return Pickle(Inflate(FromBase64(trimmed, where), where), where).OneText();
}

}  // namespace fulgur
