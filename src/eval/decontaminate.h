// Which texts share a run of words with texts that a model is to be measured on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fulgur {

// A text to keep apart from, and where it stands.
struct ReferenceText {
  std::string text, where;
};

// The texts of data files (base/records.h): "prompt", "problem", "question", "text", and what "messages" say, of
// whichever there are. One list a path. Error if a record has none.
std::vector<std::vector<ReferenceText>> ReadReferenceTexts(const std::vector<std::filesystem::path>& paths);

// Words are runs of letters and digits (bytes above 127 count as letters), in lower case. What more than half of the
// texts of a set say (five words or more, such as "put the answer in \boxed{}") tells nothing about a single one of
// them and is passed over, wherever it stands. Sets of fewer than four texts have no such phrases.
class Decontaminator {
 public:
  // n: words of a run. set: the texts that will be asked about. against: sets of texts to keep apart from.
  Decontaminator(int n, const std::vector<std::string>& set, const std::vector<std::vector<ReferenceText>>& against);

  struct Match {
    std::string words;  // of the text that was asked about
    std::string where;  // the reference that has them too
  };
  // The first run of n words that the text shares with a reference; or all of it, if it has the very words of a shorter
  // one. A text without words has none.
  std::optional<Match> Find(std::string_view text) const;

 private:
  struct Word;
  std::vector<Word> Words(std::string_view text) const;
  void AddCommon(const std::vector<std::vector<uint64_t>>& set);

  size_t n_;
  std::unordered_set<uint64_t> common_;                // phrases
  std::unordered_map<uint64_t, size_t> runs_, whole_;  // to the reference
  std::vector<std::string> where_;
};

}  // namespace fulgur
