// Byte-level BPE as in a Hugging Face tokenizer.json, and streaming detokenisation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

class Tokenizer {
 public:
  // `path`: a tokenizer.json, or the folder that holds one. Throws Error naming the file and what it cannot use in it.
  static Tokenizer FromFile(const std::filesystem::path& path);
  static Tokenizer FromJson(std::string_view json, const std::string& where);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  enum class Special { kPlainText, kRecognised };  // added-token strings in the text: ordinary text, or their single id
  std::vector<int32_t> Encode(std::string_view text, Special special) const;

  // Bytes of the tokens; invalid UTF-8 becomes U+FFFD, one per maximal invalid part. Ids outside the vocabulary are
  // skipped.
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;

  int64_t vocab_size() const;                               // plain and added tokens: ids are [0, vocab_size)
  std::optional<int32_t> Id(std::string_view token) const;  // of an added token's content, or of a plain token's bytes
  const std::string& Bytes(int32_t id) const;               // the bytes of a token, an added token's content
  bool IsAdded(int32_t id) const;
  bool IsSpecial(int32_t id) const;

 private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Text of a stream of ids: bytes that may still become a character are held back.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  std::string Push(int32_t id);
  std::string Flush();  // what is held back, as U+FFFD

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string pending_;
};

}  // namespace fulgur
