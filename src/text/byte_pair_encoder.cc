#include "text/byte_pair_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "unicode/unicode.h"

namespace fulgur {

bool BytePairEncoder::WordCache::Get(std::string_view word, std::vector<int32_t>* ids) const {
  const Entry& entry = entries_[Place(word)];
  if (entry.length != word.size() || std::memcmp(entry.bytes, word.data(), word.size()) != 0) return false;
  ids->insert(ids->end(), entry.ids, entry.ids + entry.count);
  return true;
}

void BytePairEncoder::WordCache::Put(std::string_view word, std::span<const int32_t> ids) {
  if (word.size() > kMaxBytes || ids.size() > kMaxIds) return;
  Entry& entry = entries_[Place(word)];
  entry.length = static_cast<uint8_t>(word.size());
  entry.count = static_cast<uint8_t>(ids.size());
  std::memcpy(entry.bytes, word.data(), word.size());
  std::copy(ids.begin(), ids.end(), entry.ids);
}

void BytePairEncoder::PairTable::Reserve(size_t count) { slots_.assign(std::bit_ceil(2 * count + 2), {kFree, 0}); }

BytePairEncoder::BytePairEncoder(const TokenizerFile& file, bool byte_level, const std::string& where)
    : byte_level_(byte_level) {
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
  ignore_merges_ = JsonGetOr<bool>(*model, "ignore_merges", false, in_model);
  if (!file.has_vocab) throw Error("{}: \"vocab\" must be an object of tokens and ids", in_model);
  if (!file.has_merges) throw Error("{}: \"merges\" must be a list", in_model);
  ReadVocabulary(file, in_model);
  // With bytes as tokens, unk_token, fuse_unk and byte_fallback have nothing to do.
  for (size_t b = 0; b < 256; ++b) {
    const std::string spelling = byte_level_ ? ByteAlphabet()[b] : fmt::format("<0x{:02X}>", b);
    const std::optional<int32_t> id = Find(spelling);
    if (byte_level_ && !id) {
      throw Error("{}: the vocabulary has no token \"{}\" for the byte 0x{:02X}, so it is not byte-level", in_model,
                  spelling, b);
    }
    byte_ids_[b] = id.value_or(-1);
  }
  if (!byte_level_) {
    byte_fallback_ = JsonGetOr<bool>(*model, "byte_fallback", false, in_model);
    fuse_unknown_ = JsonGetOr<bool>(*model, "fuse_unk", false, in_model);
    const std::string unknown = JsonGetOr<std::string>(*model, "unk_token", "", in_model);
    if (!unknown.empty()) {
      unknown_ = Find(unknown);
      if (!unknown_) throw Error("{}: unk_token is \"{}\", which is not in the vocabulary", in_model, unknown);
    }
  }
  ReadMerges(file, in_model);
}

void BytePairEncoder::ReadVocabulary(const TokenizerFile& file, const std::string& where) {
  int64_t count = 0;
  for (const auto& [spelling, id] : file.vocab) {
    if (id < 0 || id >= kMaxTokenIds) {
      throw Error("{}: the token \"{}\" has id {}; ids are from 0 to {}", where, spelling, id, kMaxTokenIds - 1);
    }
    count = std::max(count, id + 1);
  }
  spellings_.resize(static_cast<size_t>(count));
  excluded_.resize(static_cast<size_t>(count));
  by_spelling_.reserve(file.vocab.size());
  for (const auto& [spelling, id] : file.vocab) {
    std::string& place = spellings_[static_cast<size_t>(id)];
    if (spelling.empty()) continue;  // cannot arise from text
    if (!place.empty()) throw Error("{}: the token \"{}\" has id {}, as \"{}\" has", where, spelling, id, place);
    place = spelling;
    if (!by_spelling_.emplace(place, static_cast<int32_t>(id)).second) {
      throw Error("{}: the token \"{}\" appears twice in the vocabulary", where, spelling);
    }
  }
}

void BytePairEncoder::ReadMerges(const TokenizerFile& file, const std::string& where) {
  merges_.reserve(file.merges.size());
  pairs_.Reserve(file.merges.size());
  std::string product;
  for (size_t rank = 0; rank < file.merges.size(); ++rank) {
    const std::string& left = file.merges[rank].first;
    const std::string& right = file.merges[rank].second;
    product.assign(left).append(right);
    const auto id = [&](const std::string& spelling) {
      const std::optional<int32_t> found = Find(spelling);
      if (!found) {
        throw Error("{}: merge {} (\"{}\" and \"{}\") needs the token \"{}\", which is not in the vocabulary", where,
                    rank, left, right, spelling);
      }
      return *found;
    };
    merges_.push_back({id(left), id(right), id(product)});
    pairs_.Set(merges_.back().left, merges_.back().right, static_cast<uint32_t>(rank));
  }
}

std::optional<int32_t> BytePairEncoder::Find(std::string_view spelling) const {
  const auto it = by_spelling_.find(spelling);
  return it == by_spelling_.end() ? std::nullopt : std::optional(it->second);
}

// --- Encoding -------------------------------------------------------------------------------------------------------

void BytePairEncoder::Encode(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const {
  if (byte_level_ && word.size() == 1) {
    ids->push_back(byte_ids_[static_cast<uint8_t>(word[0])]);
    return;
  }
  const bool cached = word.size() <= WordCache::kMaxBytes;
  if (cached && scratch->cache.Get(word, ids)) return;
  const size_t first = ids->size();
  if (const auto whole = ignore_merges_ ? WholeWord(word) : std::nullopt) {
    ids->push_back(*whole);
  } else {
    MergePairs(word, scratch, ids);
  }
  if (cached) scratch->cache.Put(word, std::span<const int32_t>(*ids).subspan(first));
}

std::optional<int32_t> BytePairEncoder::WholeWord(std::string_view word) const {
  const auto id = byte_level_ ? Find(ToByteAlphabet(word)) : Find(word);
  return id && !excluded_[static_cast<size_t>(*id)] ? id : std::nullopt;
}

void BytePairEncoder::AddSymbols(std::string_view word, std::vector<Symbol>* symbols) const {
  symbols->clear();
  if (byte_level_) {
    for (const char byte : word) symbols->push_back({byte_ids_[static_cast<uint8_t>(byte)], 0, 0});
  } else {
    AddCharacters(word, symbols);
  }
  const auto n = static_cast<int32_t>(symbols->size());
  for (int32_t i = 0; i < n; ++i) {
    (*symbols)[static_cast<size_t>(i)].previous = i - 1;
    (*symbols)[static_cast<size_t>(i)].next = i + 1 < n ? i + 1 : -1;
  }
}

void BytePairEncoder::AddCharacters(std::string_view word, std::vector<Symbol>* symbols) const {
  bool behind_unknown = false;
  while (!word.empty()) {
    const Utf8Step step = DecodeUtf8(word);
    const std::string_view character = word.substr(0, step.length);
    word.remove_prefix(step.length);
    const bool after_unknown = std::exchange(behind_unknown, false);
    if (const auto id = step.kind == Utf8Step::kCharacter ? Find(character) : std::nullopt) {
      symbols->push_back({*id, 0, 0});
      continue;
    }
    if (byte_fallback_ && std::all_of(character.begin(), character.end(),
                                      [&](char byte) { return byte_ids_[static_cast<uint8_t>(byte)] >= 0; })) {
      for (const char byte : character) symbols->push_back({byte_ids_[static_cast<uint8_t>(byte)], 0, 0});
      continue;
    }
    if (!unknown_) continue;
    behind_unknown = true;
    if (!(after_unknown && fuse_unknown_)) symbols->push_back({*unknown_, 0, 0});
  }
}

// Merges the pair of the lowest rank, the leftmost of equals, until no pair of neighbours has a rank. A heap of
// (rank, position) and a linked list of symbols: n log n in the length of the word.
void BytePairEncoder::MergePairs(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const {
  std::vector<Symbol>& symbols = scratch->symbols;
  std::vector<uint64_t>& heap = scratch->heap;
  AddSymbols(word, &symbols);
  if (symbols.empty()) return;
  const auto n = static_cast<int32_t>(symbols.size());
  heap.clear();
  const auto entry = [&](int32_t at) {  // UINT64_MAX: no merge here
    const Symbol& left = symbols[static_cast<size_t>(at)];
    if (left.next < 0) return UINT64_MAX;
    const uint32_t rank = pairs_.Get(left.id, symbols[static_cast<size_t>(left.next)].id);
    return rank == UINT32_MAX ? UINT64_MAX : uint64_t{rank} << 32 | static_cast<uint32_t>(at);
  };
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
    const Merge& merge = merges_[top >> 32];
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

}  // namespace fulgur
