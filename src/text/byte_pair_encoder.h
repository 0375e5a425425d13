// Byte-pair encoding of words, with the model of a tokenizer.json (Sennrich et al. 2016, arXiv:1508.07909).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer_file.h"

namespace fulgur {

// Ids that a file may use: [0, kMaxTokenIds). A file may leave gaps.
inline constexpr int64_t kMaxTokenIds = int64_t{1} << 24;

class BytePairEncoder {
 public:
  // Words whose ids are known, one to a cache line; a word replaces what had its place.
  class WordCache {
   public:
    static constexpr size_t kMaxBytes = 26, kMaxIds = 9;
    bool Get(std::string_view word, std::vector<int32_t>* ids) const;
    void Put(std::string_view word, std::span<const int32_t> ids);

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
  struct Scratch {
    std::vector<Symbol> symbols;
    std::vector<uint64_t> heap;
    WordCache cache;
  };

  BytePairEncoder() = default;
  // byte_level: tokens are spelled in the alphabet of text/byte_alphabet.h, and every byte is one. Otherwise tokens are
  // texts; a character that is none becomes its bytes (byte_fallback), the unknown token, or nothing. Throws Error
  // naming what is wrong or not supported.
  BytePairEncoder(const TokenizerFile& file, bool byte_level, const std::string& where);

  // Token by id as the file spells it; empty: no token has it. Their number is the highest id and one.
  const std::vector<std::string>& spellings() const { return spellings_; }
  std::optional<int32_t> Find(std::string_view spelling) const;  // as the file spells it

  // These tokens never stand for a whole word of a text, whatever ignore_merges says.
  void Exclude(int32_t id) { excluded_[static_cast<size_t>(id)] = true; }

  // Appends the ids of a word.
  void Encode(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;

 private:
  struct Merge {
    int32_t left, right, product;
  };
  // (left, right) -> rank, open addressing at a load of at most one half.
  class PairTable {
   public:
    void Reserve(size_t count);
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

  void ReadVocabulary(const TokenizerFile& file, const std::string& where);
  void ReadMerges(const TokenizerFile& file, const std::string& where);
  std::optional<int32_t> WholeWord(std::string_view word) const;
  void AddSymbols(std::string_view word, std::vector<Symbol>* symbols) const;
  void AddCharacters(std::string_view word, std::vector<Symbol>* symbols) const;
  void MergePairs(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;

  bool byte_level_ = true;
  std::vector<std::string> spellings_;                         // [id]
  std::unordered_map<std::string_view, int32_t> by_spelling_;  // keys point into spellings_
  std::vector<bool> excluded_;                                 // [id]
  std::array<int32_t, 256> byte_ids_ = {};                     // -1 where there is none
  std::optional<int32_t> unknown_;
  bool fuse_unknown_ = false, byte_fallback_ = false, ignore_merges_ = false;
  std::vector<Merge> merges_;  // [rank]
  PairTable pairs_;
};

}  // namespace fulgur
