// Which texts share a run of words with texts that a model is to be measured on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace fulgur {

class Decontaminator {
 public:
  // n: words of a run. Words are runs of letters and digits (bytes above 127 count as letters), in lower case.
  explicit Decontaminator(int n);

  // All runs of n words of the text; of a shorter text, its words together.
  void AddReference(std::string_view text);
  // The texts of a JSON-lines file: "prompt", "problem", "question", "text", and the contents of "messages", of
  // whichever there are. Error if a line has none.
  void AddReferenceFile(const std::filesystem::path& path);

  // Whether the text shares a run of n words with a reference, or has the very words of a shorter one. A text without
  // words does not.
  bool Overlaps(std::string_view text) const;

 private:
  size_t n_;
  std::unordered_set<uint64_t> runs_, short_texts_;
};

}  // namespace fulgur
