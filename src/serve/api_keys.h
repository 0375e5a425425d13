// The keys that clients identify themselves with.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

// A set of keys. Only their SHA-256 is kept. Checking takes the same time whichever key is given and whichever matches.
class ApiKeys {
 public:
  void Add(std::string_view key);  // throws Error for one that is empty or has spaces or control characters
  // One key a line; empty lines and those that begin with # are skipped. Throws Error naming file and line, and for a
  // file without keys.
  void AddFile(const std::filesystem::path& path);
  bool empty() const { return hashes_.empty(); }
  bool Contains(std::string_view key) const;

 private:
  using Hash = std::array<unsigned char, 32>;
  static Hash HashOf(std::string_view key);
  std::vector<Hash> hashes_;
};

}  // namespace fulgur
