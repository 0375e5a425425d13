#include "text/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/byte_alphabet.h"
#include "unicode/unicode.h"

namespace fulgur {
namespace {

uint64_t Key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

struct Word {
  std::vector<int32_t> ids;
  int64_t count;
};

// How often each pair of neighbours occurs, and in which words it has occurred.
struct PairStatistics {
  std::unordered_map<uint64_t, int64_t> count;
  std::unordered_map<uint64_t, std::vector<uint32_t>> words;
};

struct Candidate {
  int64_t count;
  uint64_t pair;
  bool operator<(const Candidate& other) const {  // the top of a queue is the largest
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

}  // namespace

struct BpeTrainer::Impl {
  explicit Impl(BpeTrainerOptions o) : options(std::move(o)), pattern(options.pattern, "the tokenizer to train") {
    for (const std::string& token : options.added_tokens) matcher.Add({.content = token});
  }

  BpeTrainerOptions options;
  SplitPattern pattern;
  AddedTokenMatcher matcher;
  SplitPattern::Scratch scratch;
  std::vector<SplitPattern::Piece> pieces;
  std::unordered_map<std::string, int64_t> words;
};

std::vector<std::string> M1AddedTokens() {
  return {"]!p~[",
          "<fim_prefix>",
          "<fim_middle>",
          "<fim_suffix>",
          "<fim_pad>",
          "<reponame>",
          "<filename>",
          "<gh_stars>",
          "<issue_start>",
          "<issue_comment>",
          "<issue_closed>",
          "<jupyter_start>",
          "<jupyter_text>",
          "<jupyter_code>",
          "<jupyter_output>",
          "<empty_output>",
          "<commit_before>",
          "<commit_msg>",
          "<commit_after>",
          "<beginning_of_sentence>",
          "<end_of_sentence>",
          "<end_of_document>",
          "<function_call>",
          "<code_interpreter>",
          "]<]speech[>[",
          "]<]image[>[",
          "]<]video[>[",
          "]<]start of speech[>[",
          "]<]end of speech[>[",
          "]<]start of image[>[",
          "]<]end of image[>[",
          "]<]start of video[>[",
          "]<]end of video[>[",
          "]<]vision pad[>[",
          "<begin_of_document>"};
}

BpeTrainer::BpeTrainer(BpeTrainerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {
  const BpeTrainerOptions& o = impl_->options;
  if (o.merges < 0 || o.merges > 10'000'000) throw Error("merges is {}; it must be 0 to 10,000,000", o.merges);
  if (o.max_token_bytes < 1) throw Error("max_token_bytes is {}; it must be at least 1", o.max_token_bytes);
  std::set<std::string> seen;
  for (const std::string& token : o.added_tokens) {
    if (token.size() < 2 || ValidUtf8Prefix(token) < token.size()) {
      throw Error("the added token \"{}\" must be UTF-8 text of at least two bytes", token);
    }
    if (!seen.insert(token).second) throw Error("the added token \"{}\" is listed twice", token);
  }
}

BpeTrainer::~BpeTrainer() = default;

void BpeTrainer::Add(std::string_view text) {
  Impl& impl = *impl_;
  const auto anywhere = [](size_t, size_t) { return true; };
  impl.matcher.ForEachPart(text, anywhere, [&](std::string_view part, const AddedToken* token) {
    if (token != nullptr) return;
    ForEachUtf8Run(part, [&](std::string_view run, bool valid) {
      if (!valid) return;
      impl.pieces.clear();
      impl.pattern.Split(run, &impl.scratch, &impl.pieces);
      for (const SplitPattern::Piece& piece : impl.pieces) {
        ++impl.words[std::string(run.substr(piece.begin, piece.end - piece.begin))];
      }
    });
  });
}

std::vector<std::pair<int32_t, int32_t>> BpeTrainer::Train() const {
  std::vector<Word> words;
  for (const auto& [text, count] : impl_->words) {
    if (text.size() < 2) continue;
    Word& word = words.emplace_back(Word{{}, count});
    for (const char c : text) word.ids.push_back(static_cast<uint8_t>(c));
  }
  std::vector<std::string> tokens;  // bytes of each id
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  // An added token's text must not become a plain token as well: the vocabulary has one id for a spelling.
  std::unordered_set<std::string> taken(impl_->options.added_tokens.begin(), impl_->options.added_tokens.end());

  PairStatistics pairs;
  const auto add_pairs = [&](uint32_t index, int64_t sign) {
    const Word& word = words[index];
    for (size_t i = 0; i + 1 < word.ids.size(); ++i)
      pairs.count[Key(word.ids[i], word.ids[i + 1])] += sign * word.count;
  };
  const auto remember_word = [&](uint64_t pair, uint32_t index) {
    std::vector<uint32_t>& list = pairs.words[pair];
    if (list.empty() || list.back() != index) list.push_back(index);
  };
  std::priority_queue<Candidate> queue;
  for (uint32_t w = 0; w < words.size(); ++w) {
    add_pairs(w, 1);
    for (size_t i = 0; i + 1 < words[w].ids.size(); ++i) remember_word(Key(words[w].ids[i], words[w].ids[i + 1]), w);
  }
  for (const auto& [pair, count] : pairs.count) queue.push({count, pair});

  std::vector<std::pair<int32_t, int32_t>> merges;
  while (static_cast<int64_t>(merges.size()) < impl_->options.merges && !queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const int64_t count = pairs.count[best.pair];
    if (count < 2) continue;
    if (count != best.count) {  // counts only fall once a pair is in the queue
      queue.push({count, best.pair});
      continue;
    }
    const auto left = static_cast<int32_t>(best.pair >> 32), right = static_cast<int32_t>(best.pair & UINT32_MAX);
    std::string product = tokens[static_cast<size_t>(left)] + tokens[static_cast<size_t>(right)];
    if (static_cast<int64_t>(product.size()) > impl_->options.max_token_bytes || !taken.insert(product).second)
      continue;
    const auto id = static_cast<int32_t>(tokens.size());
    tokens.push_back(std::move(product));
    merges.emplace_back(left, right);

    std::set<uint64_t> fresh;  // pairs with the new token
    const std::vector<uint32_t> affected = std::move(pairs.words[best.pair]);
    for (const uint32_t w : affected) {
      std::vector<int32_t>& ids = words[w].ids;
      add_pairs(w, -1);
      size_t kept = 0;
      for (size_t i = 0; i < ids.size(); ++kept) {
        const bool here = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
        ids[kept] = here ? id : ids[i];
        i += here ? 2 : 1;
      }
      ids.resize(kept);
      add_pairs(w, 1);
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        if (ids[i] != id && ids[i + 1] != id) continue;
        fresh.insert(Key(ids[i], ids[i + 1]));
        remember_word(Key(ids[i], ids[i + 1]), w);
      }
    }
    for (const uint64_t pair : fresh) queue.push({pairs.count[pair], pair});
    pairs.count.erase(best.pair);
    pairs.words.erase(best.pair);
  }
  return merges;
}

std::string BpeTrainer::TokenizerJson(const std::vector<std::pair<int32_t, int32_t>>& merges) const {
  const auto quote = [](const std::string& s) { return Json(s).dump(); };
  std::vector<std::string> spelling(ByteAlphabet().begin(), ByteAlphabet().end());
  std::string merge_lines;
  for (const auto& [left, right] : merges) {
    const std::string& a = spelling.at(static_cast<size_t>(left));
    const std::string& b = spelling.at(static_cast<size_t>(right));
    merge_lines += fmt::format("{}      {}", merge_lines.empty() ? "" : ",\n", quote(a + " " + b));
    spelling.push_back(a + b);
  }
  std::string vocab_lines;
  for (size_t id = 0; id < spelling.size(); ++id) {
    vocab_lines += fmt::format("{}      {}: {}", id == 0 ? "" : ",\n", quote(spelling[id]), id);
  }

  Json added = Json::array();
  for (size_t i = 0; i < impl_->options.added_tokens.size(); ++i) {
    added.push_back({{"id", spelling.size() + i},
                     {"content", impl_->options.added_tokens[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", impl_->options.pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  const Json decoder = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n";
  out += "  \"added_tokens\": " + added.dump() + ",\n  \"normalizer\": null,\n";
  out += "  \"pre_tokenizer\": " + Json{{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}}.dump() + ",\n";
  out += "  \"post_processor\": null,\n  \"decoder\": " + decoder.dump() + ",\n";
  out += "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n";
  out += "    \"continuing_subword_prefix\": \"\",\n    \"end_of_word_suffix\": \"\",\n    \"fuse_unk\": false,\n";
  out += "    \"byte_fallback\": false,\n    \"ignore_merges\": false,\n";
  out += "    \"vocab\": {\n" + vocab_lines + "\n    },\n    \"merges\": [\n" + merge_lines + "\n    ]\n  }\n}\n";
  return out;
}

}  // namespace fulgur
