#include "serve/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <sstream>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {

ApiKeys::Hash ApiKeys::HashOf(std::string_view key) {
  Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
  return hash;
}

void ApiKeys::Add(std::string_view key) {
  if (key.empty()) throw Error("an API key is empty");
  for (const char c : key) {
    if (c <= 0x20 || c >= 0x7f) throw Error("an API key must consist of visible ASCII characters");
  }
  hashes_.push_back(HashOf(key));
}

void ApiKeys::AddFile(const std::filesystem::path& path) {
  std::istringstream lines(ReadFile(path));
  int number = 0, added = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    try {
      Add(line);
    } catch (const Error& e) {
      throw Error("{}: line {}: {}", path.string(), number, e.what());
    }
    ++added;
  }
  if (added == 0) throw Error("{}: holds no API key; there must be one a line", path.string());
}

bool ApiKeys::Contains(std::string_view key) const {
  const Hash hash = HashOf(key);
  int found = 0;
  for (const Hash& other : hashes_)
    found |= static_cast<int>(CRYPTO_memcmp(hash.data(), other.data(), hash.size()) == 0);
  return found != 0;
}

}  // namespace fulgur
