#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/byte_alphabet.h"
#include "text/split_pattern.h"
#include "text/unicode.h"

namespace fulgur {
namespace {

// --- Reading tokenizer.json -----------------------------------------------------------------------------------------

// The two long parts of the file, model.vocab and model.merges, go straight into vectors: as JSON values of an ordered
// object, 200,000 keys would take minutes.
class FileReader : public nlohmann::json_sax<Json> {
 public:
  explicit FileReader(const std::string& where) : where_(where) {}

  Json root;  // all but model.vocab and model.merges, which are null in it
  bool has_vocab = false, has_merges = false;
  std::vector<std::pair<std::string, int64_t>> vocab;       // as spelled in the file
  std::vector<std::pair<std::string, std::string>> merges;  // likewise

  bool null() override { return Value(nullptr); }
  bool boolean(bool value) override { return Value(value); }
  bool number_integer(number_integer_t value) override { return Integer(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return value <= INT64_MAX ? Integer(static_cast<int64_t>(value)) : Value(value);
  }
  bool number_float(number_float_t value, const string_t&) override { return Value(value); }
  bool string(string_t& value) override {
    if (part_ == Part::kMerges) {
      AddMerge(value);
      return true;
    }
    if (part_ == Part::kMergePair) {
      pair_.push_back(std::move(value));
      return true;
    }
    return Value(std::move(value));
  }
  bool binary(binary_t&) override { return Value(nullptr); }

  bool start_object(std::size_t) override {
    if (part_ == Part::kNone && AtModelKey("vocab")) {
      part_ = Part::kVocab;
      has_vocab = true;
      return true;
    }
    return Open(Json::object());
  }
  bool key(string_t& value) override {
    key_ = std::move(value);
    if (part_ == Part::kNone && open_.back()->contains(key_)) {
      throw Error("{}: key \"{}\" appears twice in one JSON object", where_, key_);
    }
    return true;
  }
  bool end_object() override { return Close(); }

  bool start_array(std::size_t) override {
    if (part_ == Part::kNone && AtModelKey("merges")) {
      part_ = Part::kMerges;
      has_merges = true;
      return true;
    }
    if (part_ == Part::kMerges) {
      part_ = Part::kMergePair;
      pair_.clear();
      return true;
    }
    return Open(Json::array());
  }
  bool end_array() override {
    if (part_ == Part::kMergePair) {
      if (pair_.size() != 2) {
        throw Error("{}: model.merges[{}] has {} tokens, expected 2", where_, merges.size(), pair_.size());
      }
      merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      part_ = Part::kMerges;
      return true;
    }
    return Close();
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    throw Error("{}: not valid JSON: {}", where_, e.what());
  }

 private:
  enum class Part { kNone, kVocab, kMerges, kMergePair };

  bool AtModelKey(const char* name) const { return open_.size() == 2 && key_ == name && model_ == open_.back(); }

  // Puts a value where the parser stands.
  Json* Put(Json value) {
    if (part_ == Part::kVocab) throw Error("{}: model.vocab[\"{}\"] must be an integer id", where_, key_);
    if (part_ != Part::kNone) {
      throw Error("{}: model.merges[{}] must be \"a b\" or [\"a\", \"b\"]", where_, merges.size());
    }
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& place = parent[key_];
    place = std::move(value);
    if (open_.size() == 1 && key_ == "model") model_ = &place;
    return &place;
  }
  bool Value(Json value) {
    Put(std::move(value));
    return true;
  }
  bool Integer(int64_t value) {
    if (part_ != Part::kVocab) return Value(value);
    vocab.emplace_back(std::move(key_), value);
    return true;
  }
  bool Open(Json value) {
    if (open_.size() >= 64) throw Error("{}: JSON nested deeper than 64 levels", where_);
    open_.push_back(Put(std::move(value)));
    return true;
  }
  bool Close() {
    if (part_ == Part::kNone) {
      open_.pop_back();
    } else {
      part_ = Part::kNone;
    }
    return true;
  }
  void AddMerge(const std::string& text) {
    if (text.starts_with("#version")) return;
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      throw Error("{}: model.merges[{}] is \"{}\", expected two tokens with one space between", where_, merges.size(),
                  text);
    }
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }

  const std::string& where_;
  Part part_ = Part::kNone;
  std::vector<Json*> open_;
  Json* model_ = nullptr;
  std::string key_;
  std::vector<std::string> pair_;
};

bool IsNullOrAbsent(const Json& object, const char* key) { return !object.contains(key) || object[key].is_null(); }

const Json* Member(const Json& object, const char* key) { return IsNullOrAbsent(object, key) ? nullptr : &object[key]; }

// Members of a Sequence, or the one thing itself; nothing for null.
std::vector<const Json*> Flatten(const Json* value, const char* list, const std::string& where, int depth = 0) {
  if (value == nullptr) return {};
  if (JsonGet<std::string>(*value, "type", where) != "Sequence") return {value};
  if (depth > 8) throw Error("{}: sequences nested deeper than 8 levels", where);
  const Json* members = Member(*value, list);
  if (members == nullptr || !members->is_array()) throw Error("{}: \"{}\" must be a list", where, list);
  std::vector<const Json*> all;
  for (const Json& member : *members) {
    const auto inner = Flatten(&member, list, where, depth + 1);
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

// --- Byte-pair encoding ---------------------------------------------------------------------------------------------

struct Merge {
  int32_t left, right, product;
};

// (left, right) -> rank, open addressing at a load of at most one half.
class PairTable {
 public:
  void Reserve(size_t count) { slots_.assign(std::bit_ceil(2 * count + 2), {kFree, 0}); }
  void Set(int32_t left, int32_t right, uint32_t rank) { *Find(Key(left, right)) = {Key(left, right), rank}; }
  // The rank, or UINT32_MAX.
  uint32_t Get(int32_t left, int32_t right) const {
    const Slot* slot = const_cast<PairTable*>(this)->Find(Key(left, right));
    return slot->key == kFree ? UINT32_MAX : slot->rank;
  }

 private:
  struct Slot {
    uint64_t key;
    uint32_t rank;
  };
  static constexpr uint64_t kFree = ~uint64_t{0};  // ids are not negative, so no pair has this key
  static uint64_t Key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  Slot* Find(uint64_t key) {
    const size_t mask = slots_.size() - 1;
    // Fibonacci hashing, with the upper half of the product, which depends on all of the key.
    for (size_t i = (key * 0x9E3779B97F4A7C15u >> 32) & mask;; i = (i + 1) & mask) {
      if (slots_[i].key == key || slots_[i].key == kFree) return &slots_[i];
    }
  }
  std::vector<Slot> slots_;
};

// Words whose ids are known, one to a cache line; a word replaces what had its place.
class WordCache {
 public:
  static constexpr size_t kMaxBytes = 26, kMaxIds = 9;

  bool Get(std::string_view word, std::vector<int32_t>* ids) const {
    const Entry& entry = entries_[Place(word)];
    if (entry.length != word.size() || std::memcmp(entry.bytes, word.data(), word.size()) != 0) return false;
    ids->insert(ids->end(), entry.ids, entry.ids + entry.count);
    return true;
  }
  void Put(std::string_view word, std::span<const int32_t> ids) {
    if (word.size() > kMaxBytes || ids.size() > kMaxIds) return;
    Entry& entry = entries_[Place(word)];
    entry.length = static_cast<uint8_t>(word.size());
    entry.count = static_cast<uint8_t>(ids.size());
    std::memcpy(entry.bytes, word.data(), word.size());
    std::copy(ids.begin(), ids.end(), entry.ids);
  }

 private:
  struct Entry {
    int32_t ids[kMaxIds];
    char bytes[kMaxBytes];
    uint8_t length = 0;  // 0: free
    uint8_t count = 0;
  };
  static_assert(sizeof(Entry) == 64);
  size_t Place(std::string_view word) const { return std::hash<std::string_view>()(word) % entries_.size(); }
  std::vector<Entry> entries_ = std::vector<Entry>(1 << 15);
};

struct Symbol {
  int32_t id;  // -1: merged into the one before
  int32_t previous, next;
};

// Everything Encode writes to besides its result.
struct EncodeScratch {
  SplitPattern::Scratch split;
  std::vector<SplitPattern::Piece> pieces, coarse;
  std::vector<Symbol> symbols;
  std::vector<uint64_t> heap;
  WordCache cache;
};

}  // namespace

struct Tokenizer::Impl {
  // One splitting step: which of its pieces go on.
  struct Step {
    SplitPattern pattern;
    bool keep_matches, keep_others;
  };
  enum Flags : uint8_t { kAdded = 1, kSpecial = 2 };

  std::vector<std::string> bytes;                                      // [id]
  std::vector<uint8_t> flags;                                          // [id]
  std::unordered_map<std::string_view, int32_t> plain_ids, added_ids;  // keys point into `bytes`
  AddedTokenMatcher raw_tokens, normalized_tokens;
  std::array<int32_t, 256> byte_ids;
  std::vector<Merge> merges;  // [rank]
  PairTable pairs;
  bool ignore_merges = false;
  std::vector<Step> steps;

  std::mutex mutex;
  std::vector<std::unique_ptr<EncodeScratch>> idle;  // as many as there ever were callers at once

  void Load(const FileReader& file, const std::string& where);
  using Spelled = std::unordered_map<std::string_view, int32_t>;  // of the vocabulary, as the file spells it
  Spelled LoadModel(const FileReader& file, const std::string& where);
  void LoadAddedTokens(const Json& root, const Spelled& spelled, const std::string& where);
  void LoadPreTokenizer(const Json* value, const std::string& where);

  void EncodePlain(std::string_view text, EncodeScratch* scratch, std::vector<int32_t>* ids) const;
  void EncodePiece(std::string_view piece, EncodeScratch* scratch, std::vector<int32_t>* ids) const;
  void MergePairs(std::string_view piece, EncodeScratch* scratch, std::vector<int32_t>* ids) const;
};

void Tokenizer::Impl::Load(const FileReader& file, const std::string& where) {
  const Json& root = file.root;
  if (!root.is_object()) throw Error("{}: expected a JSON object, as Hugging Face tokenizers writes it", where);
  for (const char* key : {"truncation", "padding"}) {
    if (!IsNullOrAbsent(root, key))
      throw Error("{}: \"{}\" is set, which is not supported; it must be null", where, key);
  }
  for (const Json* normalizer : Flatten(Member(root, "normalizer"), "normalizers", where + ": normalizer")) {
    throw Error("{}: the normalizer \"{}\" is not supported; only none is", where,
                JsonGet<std::string>(*normalizer, "type", where));
  }
  const Spelled spelled = LoadModel(file, where);
  LoadAddedTokens(root, spelled, where);
  LoadPreTokenizer(Member(root, "pre_tokenizer"), where + ": pre_tokenizer");

  for (const Json* processor : Flatten(Member(root, "post_processor"), "processors", where + ": post_processor")) {
    const std::string type = JsonGet<std::string>(*processor, "type", where);
    if (type == "ByteLevel") continue;  // concerns offsets, which we do not report
    throw Error("{}: the post-processor \"{}\" is not supported; only \"ByteLevel\" is", where, type);
  }
  for (const Json* decoder : Flatten(Member(root, "decoder"), "decoders", where + ": decoder")) {
    const std::string type = JsonGet<std::string>(*decoder, "type", where);
    if (type != "ByteLevel") throw Error("{}: the decoder \"{}\" is not supported; only \"ByteLevel\" is", where, type);
  }
}

Tokenizer::Impl::Spelled Tokenizer::Impl::LoadModel(const FileReader& file, const std::string& where) {
  const Json* model = Member(file.root, "model");
  if (model == nullptr || !model->is_object()) throw Error("{}: the key \"model\" is missing", where);
  const std::string in_model = where + ": model";
  const std::string type = JsonGetOr<std::string>(*model, "type", "BPE", in_model);
  if (type != "BPE") throw Error("{}: the model type \"{}\" is not supported; only \"BPE\" is", where, type);
  if (JsonGetOr<double>(*model, "dropout", 0, in_model) != 0) {
    throw Error("{}: \"dropout\" is not supported; it must be null", in_model);
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!JsonGetOr<std::string>(*model, key, "", in_model).empty()) {
      throw Error("{}: \"{}\" is not supported; it must be null or empty", in_model, key);
    }
  }
  // unk_token, fuse_unk and byte_fallback are for characters without a token; here every byte has one.
  ignore_merges = JsonGetOr<bool>(*model, "ignore_merges", false, in_model);
  if (!file.has_vocab) throw Error("{}: \"vocab\" must be an object of tokens and ids", in_model);
  if (!file.has_merges) throw Error("{}: \"merges\" must be a list", in_model);

  const size_t count = file.vocab.size();
  if (count > INT32_MAX / 2) throw Error("{}: {} tokens are too many", in_model, count);
  bytes.resize(count);
  flags.resize(count);
  std::vector<bool> seen(count);
  Spelled spelled;
  spelled.reserve(count);
  for (const auto& [spelling, id] : file.vocab) {
    if (id < 0 || static_cast<size_t>(id) >= count || seen[static_cast<size_t>(id)]) {
      throw Error("{}: the token \"{}\" has id {}; {} tokens must have the ids 0 to {}, each once", in_model, spelling,
                  id, count, static_cast<int64_t>(count) - 1);
    }
    seen[static_cast<size_t>(id)] = true;
    if (!spelled.emplace(spelling, static_cast<int32_t>(id)).second) {
      throw Error("{}: the token \"{}\" appears twice in the vocabulary", in_model, spelling);
    }
    // A token with characters outside the alphabet cannot arise from text; it can only be an added one.
    bytes[static_cast<size_t>(id)] = FromByteAlphabet(spelling).value_or(spelling);
  }
  for (size_t b = 0; b < 256; ++b) {
    const auto it = spelled.find(ByteAlphabet()[b]);
    if (it == spelled.end()) {
      throw Error("{}: the vocabulary has no token \"{}\" for the byte 0x{:02X}, so it is not byte-level", in_model,
                  ByteAlphabet()[b], b);
    }
    byte_ids[b] = it->second;
  }

  merges.reserve(file.merges.size());
  pairs.Reserve(file.merges.size());
  std::string product;
  for (size_t rank = 0; rank < file.merges.size(); ++rank) {
    const std::string& left = file.merges[rank].first;
    const std::string& right = file.merges[rank].second;
    product.assign(left).append(right);
    const auto id = [&](const std::string& spelling) {
      const auto it = spelled.find(spelling);
      if (it == spelled.end()) {
        throw Error("{}: merge {} (\"{}\" and \"{}\") needs the token \"{}\", which is not in the vocabulary", in_model,
                    rank, left, right, spelling);
      }
      return it->second;
    };
    merges.push_back({id(left), id(right), id(product)});
    pairs.Set(merges.back().left, merges.back().right, static_cast<uint32_t>(rank));
  }
  return spelled;
}

void Tokenizer::Impl::LoadAddedTokens(const Json& root, const Spelled& spelled, const std::string& where) {
  const size_t plain = bytes.size();
  if (const Json* list = Member(root, "added_tokens")) {
    if (!list->is_array()) throw Error("{}: \"added_tokens\" must be a list", where);
    for (size_t i = 0; i < list->size(); ++i) {
      const Json& token = (*list)[i];
      const std::string in_token = fmt::format("{}: added_tokens[{}]", where, i);
      const int64_t id = JsonGet<int64_t>(token, "id", in_token);
      std::string content = JsonGet<std::string>(token, "content", in_token);
      for (const char* key : {"single_word", "lstrip", "rstrip"}) {
        if (JsonGetOr<bool>(token, key, false, in_token)) throw Error("{}: \"{}\" is not supported", in_token, key);
      }
      if (content.empty()) throw Error("{}: \"content\" is empty", in_token);
      // The Hugging Face library numbers what is not in the vocabulary itself and would ignore another id.
      const auto in_vocab = spelled.find(content);
      const int64_t expected = in_vocab != spelled.end() ? in_vocab->second : static_cast<int64_t>(bytes.size());
      if (id != expected) {
        throw Error("{}: \"{}\" has id {}, expected {}: added tokens follow the vocabulary without gaps", in_token,
                    content, id, expected);
      }
      if (in_vocab == spelled.end()) {
        bytes.emplace_back();
        flags.push_back(0);
      }
      if (flags[static_cast<size_t>(id)] & kAdded) throw Error("{}: \"{}\" is listed twice", in_token, content);
      flags[static_cast<size_t>(id)] =
          static_cast<uint8_t>(kAdded | (JsonGetOr<bool>(token, "special", false, in_token) ? kSpecial : 0));
      // Without a normalizer the two kinds see the same text, but all of the first are found before any of the second.
      (JsonGetOr<bool>(token, "normalized", true, in_token) ? normalized_tokens : raw_tokens).Add(content);
      bytes[static_cast<size_t>(id)] = std::move(content);
    }
  }
  // Only now: the strings stay where they are from here on.
  plain_ids.reserve(plain);
  for (size_t id = 0; id < bytes.size(); ++id) {
    if (id < plain && !(flags[id] & kAdded)) plain_ids.emplace(bytes[id], static_cast<int32_t>(id));
    if (flags[id] & kAdded) {
      if (!added_ids.emplace(bytes[id], static_cast<int32_t>(id)).second) {
        throw Error("{}: the added token \"{}\" is listed twice", where, bytes[id]);
      }
    }
  }
}

void Tokenizer::Impl::LoadPreTokenizer(const Json* value, const std::string& where) {
  bool byte_level = false;
  for (const Json* step : Flatten(value, "pretokenizers", where)) {
    const std::string type = JsonGet<std::string>(*step, "type", where);
    if (byte_level) throw Error("{}: \"{}\" behind \"ByteLevel\" is not supported", where, type);
    if (steps.size() >= 16) throw Error("{}: more than 16 splitting steps", where);
    if (type == "ByteLevel") {
      byte_level = true;
      if (JsonGetOr<bool>(*step, "add_prefix_space", true, where)) {
        throw Error("{}: \"add_prefix_space\" of \"ByteLevel\" is not supported; it must be false", where);
      }
      if (JsonGetOr<bool>(*step, "use_regex", true, where)) {
        steps.push_back({SplitPattern(kGpt2Pattern, where), true, true});
      }
    } else if (type == "Split") {
      const Json* pattern = Member(*step, "pattern");
      if (pattern == nullptr) throw Error("{}: \"Split\" has no \"pattern\"", where);
      const bool regex = pattern->is_object() && pattern->contains("Regex");
      const std::string text = JsonGet<std::string>(*pattern, regex ? "Regex" : "String", where);
      const std::string behavior = JsonGet<std::string>(*step, "behavior", where);
      const bool invert = JsonGetOr<bool>(*step, "invert", false, where);
      if (behavior != "Isolated" && behavior != "Removed") {
        throw Error("{}: the behavior \"{}\" of \"Split\" is not supported; known are \"Isolated\" and \"Removed\"",
                    where, behavior);
      }
      const bool isolated = behavior == "Isolated";
      steps.push_back(
          {SplitPattern(regex ? text : SplitPattern::Quote(text), where), isolated || invert, isolated || !invert});
    } else if (type == "Digits") {
      const bool individual = JsonGetOr<bool>(*step, "individual_digits", false, where);
      steps.push_back({SplitPattern(individual ? "\\p{N}" : "\\p{N}+", where), true, true});
    } else {
      throw Error("{}: \"{}\" is not supported; known are \"Split\", \"Digits\" and \"ByteLevel\"", where, type);
    }
  }
  if (!byte_level) throw Error("{}: there is no \"ByteLevel\"; only byte-level tokenizers are supported", where);
}

// --- Encoding -------------------------------------------------------------------------------------------------------

// `text` contains no added tokens, or they are to be ordinary text.
void Tokenizer::Impl::EncodePlain(std::string_view text, EncodeScratch* scratch, std::vector<int32_t>* ids) const {
  ForEachUtf8Run(text, [&](std::string_view run, bool valid) {
    // Bytes that are no characters form a word of their own: nothing is lost, and nothing else changes.
    if (!valid) return EncodePiece(run, scratch, ids);
    std::vector<SplitPattern::Piece>& pieces = scratch->pieces;
    pieces.assign(1, {0, static_cast<uint32_t>(run.size()), false});
    for (const Step& step : steps) {
      scratch->coarse.swap(pieces);
      pieces.clear();
      for (const SplitPattern::Piece& piece : scratch->coarse) {
        const size_t first = pieces.size();
        step.pattern.Split(run.substr(piece.begin, piece.end - piece.begin), &scratch->split, &pieces);
        for (size_t i = first; i < pieces.size(); ++i) {
          pieces[i].begin += piece.begin;
          pieces[i].end += piece.begin;
        }
        const auto dropped = [&](const SplitPattern::Piece& p) {
          return !(p.match ? step.keep_matches : step.keep_others);
        };
        pieces.erase(std::remove_if(pieces.begin() + static_cast<std::ptrdiff_t>(first), pieces.end(), dropped),
                     pieces.end());
      }
    }
    for (const SplitPattern::Piece& piece : pieces) {
      EncodePiece(run.substr(piece.begin, piece.end - piece.begin), scratch, ids);
    }
  });
}

void Tokenizer::Impl::EncodePiece(std::string_view piece, EncodeScratch* scratch, std::vector<int32_t>* ids) const {
  if (piece.size() == 1) {
    ids->push_back(byte_ids[static_cast<uint8_t>(piece[0])]);
    return;
  }
  if (ignore_merges) {
    if (const auto it = plain_ids.find(piece); it != plain_ids.end()) {
      ids->push_back(it->second);
      return;
    }
  }
  if (piece.size() > WordCache::kMaxBytes) return MergePairs(piece, scratch, ids);
  if (scratch->cache.Get(piece, ids)) return;
  const size_t first = ids->size();
  MergePairs(piece, scratch, ids);
  scratch->cache.Put(piece, std::span<const int32_t>(*ids).subspan(first));
}

// Merges the pair of the lowest rank, the leftmost of equals, until no pair of neighbours has a rank. A heap of
// (rank, position) and a linked list of symbols: n log n in the length of the piece.
void Tokenizer::Impl::MergePairs(std::string_view piece, EncodeScratch* scratch, std::vector<int32_t>* ids) const {
  std::vector<Symbol>& symbols = scratch->symbols;
  std::vector<uint64_t>& heap = scratch->heap;
  const auto n = static_cast<int32_t>(piece.size());
  symbols.resize(piece.size());
  heap.clear();
  const auto entry = [&](int32_t at) {  // UINT64_MAX: no merge here
    const Symbol& left = symbols[static_cast<size_t>(at)];
    if (left.next < 0) return UINT64_MAX;
    const uint32_t rank = pairs.Get(left.id, symbols[static_cast<size_t>(left.next)].id);
    return rank == UINT32_MAX ? UINT64_MAX : uint64_t{rank} << 32 | static_cast<uint32_t>(at);
  };
  for (int32_t i = 0; i < n; ++i) {
    symbols[static_cast<size_t>(i)] = {byte_ids[static_cast<uint8_t>(piece[static_cast<size_t>(i)])], i - 1,
                                       i + 1 < n ? i + 1 : -1};
  }
  for (int32_t i = 0; i < n; ++i) {
    if (const uint64_t e = entry(i); e != UINT64_MAX) heap.push_back(e);
  }
  const std::greater<> order;
  std::make_heap(heap.begin(), heap.end(), order);
  const auto push = [&](int32_t at) {
    if (const uint64_t e = entry(at); e != UINT64_MAX) {
      heap.push_back(e);
      std::push_heap(heap.begin(), heap.end(), order);
    }
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), order);
    const uint64_t top = heap.back();
    heap.pop_back();
    const auto at = static_cast<int32_t>(top & UINT32_MAX);
    const Merge& merge = merges[top >> 32];
    Symbol& left = symbols[static_cast<size_t>(at)];
    if (left.id != merge.left || left.next < 0) continue;  // an entry from before a merge
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != merge.right) continue;
    left.id = merge.product;
    right.id = -1;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].previous = at;
    if (left.previous >= 0) push(left.previous);
    push(at);
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next) {
    ids->push_back(symbols[static_cast<size_t>(i)].id);
  }
}

// --- Tokenizer ------------------------------------------------------------------------------------------------------

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::FromFile(const std::filesystem::path& path) {
  const std::filesystem::path file = std::filesystem::is_directory(path) ? path / "tokenizer.json" : path;
  return FromJson(ReadFile(file), file.string());
}

Tokenizer Tokenizer::FromJson(std::string_view json, const std::string& where) {
  FileReader file(where);
  Json::sax_parse(json.begin(), json.end(), &file);
  auto impl = std::make_unique<Impl>();
  impl->Load(file, where);
  return Tokenizer(std::move(impl));
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, Special special) const {
  if (text.size() > INT32_MAX) throw Error("a text of {} bytes is too long to encode; the limit is 2 GB", text.size());
  std::unique_ptr<EncodeScratch> scratch;
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->idle.empty()) {
      scratch = std::move(impl_->idle.back());
      impl_->idle.pop_back();
    }
  }
  if (scratch == nullptr) scratch = std::make_unique<EncodeScratch>();

  std::vector<int32_t> ids;
  if (special == Special::kPlainText) {
    impl_->EncodePlain(text, scratch.get(), &ids);
  } else {
    impl_->raw_tokens.ForEachPart(text, [&](std::string_view part, bool is_token) {
      if (is_token) return ids.push_back(impl_->added_ids.at(part));
      impl_->normalized_tokens.ForEachPart(part, [&](std::string_view inner, bool is_inner_token) {
        if (is_inner_token) return ids.push_back(impl_->added_ids.at(inner));
        impl_->EncodePlain(inner, scratch.get(), &ids);
      });
    });
  }

  const std::lock_guard lock(impl_->mutex);
  impl_->idle.push_back(std::move(scratch));
  return ids;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes, text;
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocab_size() || (skip_special && IsSpecial(id))) continue;
    bytes += Bytes(id);
  }
  DrainUtf8(&bytes, /*final=*/true, &text);
  return text;
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->bytes.size()); }

std::optional<int32_t> Tokenizer::Id(std::string_view token) const {
  for (const auto* ids : {&impl_->added_ids, &impl_->plain_ids}) {
    if (const auto it = ids->find(token); it != ids->end()) return it->second;
  }
  return std::nullopt;
}

const std::string& Tokenizer::Bytes(int32_t id) const {
  FULGUR_CHECK(id >= 0 && id < vocab_size(), "no token has id {}", id);
  return impl_->bytes[static_cast<size_t>(id)];
}

bool Tokenizer::IsAdded(int32_t id) const {
  return id >= 0 && id < vocab_size() && (impl_->flags[static_cast<size_t>(id)] & Impl::kAdded) != 0;
}

bool Tokenizer::IsSpecial(int32_t id) const {
  return id >= 0 && id < vocab_size() && (impl_->flags[static_cast<size_t>(id)] & Impl::kSpecial) != 0;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special) {}

std::string StreamDecoder::Push(int32_t id) {
  std::string text;
  if (id < 0 || id >= tokenizer_->vocab_size() || (skip_special_ && tokenizer_->IsSpecial(id))) return text;
  pending_ += tokenizer_->Bytes(id);
  DrainUtf8(&pending_, /*final=*/false, &text);
  return text;
}

std::string StreamDecoder::Flush() {
  std::string text;
  DrainUtf8(&pending_, /*final=*/true, &text);
  return text;
}

}  // namespace fulgur
