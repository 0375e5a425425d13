#include "eval/decontaminate.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "base/records.h"
#include "base/rng.h"

namespace fulgur {

struct Decontaminator::Word {
  uint64_t hash;
  size_t begin, end;  // bytes of the text
  size_t number;      // among all words: words with others between them, which were passed over, make no run
};

namespace {

constexpr size_t kPhrase = 5;      // words
constexpr size_t kLeastTexts = 4;  // of a set that has phrases

// Calls f(hash, begin, end) for each word. 64 bits: two of a million different runs agree with a probability of 3e-8.
template <typename F>
void ForEachWord(std::string_view text, F f) {
  uint64_t hash = 0;
  size_t begin = 0;
  bool in_word = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    const auto byte = i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(' ');
    const bool upper = byte >= 'A' && byte <= 'Z';
    if (!upper && !(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte < 128) {
      if (in_word) f(Mix(hash), begin, i);
      in_word = false;
      continue;
    }
    if (!in_word) {
      hash = 0xcbf29ce484222325ull;
      begin = i;
    }
    in_word = true;
    hash = (hash ^ (upper ? byte + 32u : byte)) * 0x100000001b3ull;
  }
}

std::vector<uint64_t> WordHashes(std::string_view text) {
  std::vector<uint64_t> words;
  ForEachWord(text, [&](uint64_t hash, size_t, size_t) { words.push_back(hash); });
  return words;
}

// Of n things from `first` on, each with its hash.
template <typename Items, typename Hash>
uint64_t HashOf(const Items& items, size_t first, size_t n, Hash hash_of) {
  uint64_t hash = n;
  for (size_t i = first; i < first + n; ++i) hash = Mix(hash, hash_of(items[i]));
  return hash;
}

constexpr auto kItself = [](uint64_t hash) { return hash; };

std::vector<ReferenceText> TextsOf(const std::filesystem::path& path) {
  std::vector<ReferenceText> texts;
  const Records records(path, "");
  for (size_t i = 0; i < records.size(); ++i) {
    const Json record = records.Get(i);
    const size_t before = texts.size();
    const auto add = [&](const Json& text) {
      if (text.is_string()) texts.push_back({text.get<std::string>(), records.Where(i)});
    };
    const auto add_messages = [&](const Json& messages) {
      for (const Json& message : messages) {
        if (!message.is_object() || !message.contains("content")) continue;
        const Json& content = message["content"];
        add(content);
        if (!content.is_array()) continue;
        for (const Json& part : content) {
          if (part.is_object() && part.contains("text")) add(part["text"]);
        }
      }
    };
    for (const char* key : {"prompt", "problem", "question", "text"}) {
      if (record.contains(key)) add(record[key]);
    }
    for (const char* key : {"prompt", "messages"}) {
      if (record.contains(key) && record[key].is_array()) add_messages(record[key]);
    }
    if (texts.size() == before) {
      throw Error("{}: no \"prompt\", \"problem\", \"question\", \"text\" or \"messages\" with text", records.Where(i));
    }
  }
  return texts;
}

}  // namespace

std::vector<std::vector<ReferenceText>> ReadReferenceTexts(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::vector<ReferenceText>> sets;
  for (const std::filesystem::path& path : paths) sets.push_back(TextsOf(path));
  return sets;
}

Decontaminator::Decontaminator(int n, const std::vector<std::string>& set,
                               const std::vector<std::vector<ReferenceText>>& against)
    : n_(static_cast<size_t>(n)) {
  FULGUR_CHECK(n > 0);
  std::vector<std::vector<uint64_t>> hashes;
  for (const std::string& text : set) hashes.push_back(WordHashes(text));
  AddCommon(hashes);
  for (const std::vector<ReferenceText>& references : against) {
    hashes.clear();
    for (const ReferenceText& reference : references) hashes.push_back(WordHashes(reference.text));
    AddCommon(hashes);
  }
  for (const std::vector<ReferenceText>& references : against) {
    for (const ReferenceText& reference : references) {
      const std::vector<Word> words = Words(reference.text);
      if (words.empty()) continue;
      where_.push_back(reference.where);
      bool any = false;
      for (size_t i = 0; i + n_ <= words.size(); ++i) {
        if (words[i + n_ - 1].number - words[i].number != n_ - 1) continue;
        runs_.emplace(HashOf(words, i, n_, [](const Word& w) { return w.hash; }), where_.size() - 1);
        any = true;
      }
      if (!any) whole_.emplace(HashOf(words, 0, words.size(), [](const Word& w) { return w.hash; }), where_.size() - 1);
    }
  }
}

// Phrases of more than half of the texts.
void Decontaminator::AddCommon(const std::vector<std::vector<uint64_t>>& set) {
  if (set.size() < kLeastTexts) return;
  std::unordered_map<uint64_t, size_t> counts;
  for (const std::vector<uint64_t>& words : set) {
    std::unordered_set<uint64_t> phrases;
    for (size_t i = 0; i + kPhrase <= words.size(); ++i) phrases.insert(HashOf(words, i, kPhrase, kItself));
    for (const uint64_t phrase : phrases) ++counts[phrase];
  }
  for (const auto& [phrase, count] : counts) {
    if (2 * count > set.size()) common_.insert(phrase);
  }
}

// Those that belong to no common phrase.
std::vector<Decontaminator::Word> Decontaminator::Words(std::string_view text) const {
  std::vector<Word> all;
  ForEachWord(text, [&](uint64_t hash, size_t begin, size_t end) { all.push_back({hash, begin, end, all.size()}); });
  if (common_.empty()) return all;
  std::vector<bool> passed_over(all.size(), false);
  for (size_t i = 0; i + kPhrase <= all.size(); ++i) {
    if (!common_.contains(HashOf(all, i, kPhrase, [](const Word& w) { return w.hash; }))) continue;
    std::fill_n(passed_over.begin() + static_cast<std::ptrdiff_t>(i), kPhrase, true);
  }
  std::vector<Word> words;
  for (const Word& word : all) {
    if (!passed_over[word.number]) words.push_back(word);
  }
  return words;
}

std::optional<Decontaminator::Match> Decontaminator::Find(std::string_view text) const {
  const std::vector<Word> words = Words(text);
  if (words.empty()) return std::nullopt;
  const auto match = [&](size_t first, size_t last, size_t reference) {
    const size_t begin = words[first].begin, end = words[last].end;
    return Match{std::string(text.substr(begin, end - begin)), where_[reference]};
  };
  const auto hash_of = [](const Word& w) { return w.hash; };
  const auto whole = whole_.find(HashOf(words, 0, words.size(), hash_of));
  if (whole != whole_.end()) return match(0, words.size() - 1, whole->second);
  for (size_t i = 0; i + n_ <= words.size(); ++i) {
    if (words[i + n_ - 1].number - words[i].number != n_ - 1) continue;
    const auto run = runs_.find(HashOf(words, i, n_, hash_of));
    if (run != runs_.end()) return match(i, i + n_ - 1, run->second);
  }
  return std::nullopt;
}

}  // namespace fulgur
