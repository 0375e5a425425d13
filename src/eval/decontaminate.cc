#include "eval/decontaminate.h"

#include "base/error.h"
#include "base/json.h"
#include "base/json_lines.h"
#include "base/rng.h"

namespace fulgur {
namespace {

// A hash of each word. 64 bits: two of a million different runs agree with a probability of 3e-8.
std::vector<uint64_t> WordHashes(std::string_view text) {
  std::vector<uint64_t> words;
  uint64_t hash = 0;
  bool in_word = false;
  const auto finish = [&] {
    if (in_word) words.push_back(Mix(hash));
    in_word = false;
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool upper = byte >= 'A' && byte <= 'Z';
    if (!upper && !(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte < 128) {
      finish();
      continue;
    }
    if (!in_word) hash = 0xcbf29ce484222325ull;
    in_word = true;
    hash = (hash ^ (upper ? byte + 32u : byte)) * 0x100000001b3ull;
  }
  finish();
  return words;
}

uint64_t HashOf(const uint64_t* words, size_t n) {
  uint64_t hash = n;
  for (size_t i = 0; i < n; ++i) hash = Mix(hash, words[i]);
  return hash;
}

}  // namespace

Decontaminator::Decontaminator(int n) : n_(static_cast<size_t>(n)) { FULGUR_CHECK(n > 0); }

void Decontaminator::AddReference(std::string_view text) {
  const std::vector<uint64_t> words = WordHashes(text);
  if (words.empty()) return;
  if (words.size() < n_) {
    short_texts_.insert(HashOf(words.data(), words.size()));
    return;
  }
  for (size_t i = 0; i + n_ <= words.size(); ++i) runs_.insert(HashOf(words.data() + i, n_));
}

void Decontaminator::AddReferenceFile(const std::filesystem::path& path) {
  const JsonLines lines(path, "");
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json line = lines.Get(i);
    bool any = false;
    const auto add = [&](const Json& text) {
      if (!text.is_string()) return;
      AddReference(text.get<std::string>());
      any = true;
    };
    for (const char* key : {"prompt", "problem", "question", "text"}) {
      if (line.contains(key)) add(line[key]);
    }
    if (line.contains("messages") && line["messages"].is_array()) {
      for (const Json& message : line["messages"]) {
        if (message.is_object() && message.contains("content")) add(message["content"]);
      }
    }
    if (!any) {
      throw Error("{}, record {}: no \"prompt\", \"problem\", \"question\", \"text\" or \"messages\" with text",
                  path.string(), i + 1);
    }
  }
}

bool Decontaminator::Overlaps(std::string_view text) const {
  const std::vector<uint64_t> words = WordHashes(text);
  if (words.empty()) return false;
  if (short_texts_.contains(HashOf(words.data(), words.size()))) return true;
  for (size_t i = 0; i + n_ <= words.size(); ++i) {
    if (runs_.contains(HashOf(words.data() + i, n_))) return true;
  }
  return false;
}

}  // namespace fulgur
