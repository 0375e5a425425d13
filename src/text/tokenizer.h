// Byte-pair encoding as in a Hugging Face tokenizer.json, and streaming detokenisation. docs/tokenizers.md says what of
// such a file is supported.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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

  // The ids of the text alone.
  enum class Special { kPlainText, kRecognised };  // added-token strings in the text: ordinary text, or their single id
  std::vector<int32_t> Encode(std::string_view text, Special special) const;
  // Added tokens are recognised only where all of their bytes lie in one of these ranges [begin, end), which ascend.
  // All text between two of them, in a range or not, is one plain text, so that merges across the seams are those of
  // the whole.
  using Ranges = std::span<const std::pair<size_t, size_t>>;
  std::vector<int32_t> Encode(std::string_view text, Ranges recognised) const;

  // What the file's post-processor puts before and behind a text: often the token of the beginning of a text.
  const std::vector<int32_t>& begin_ids() const;
  const std::vector<int32_t>& end_ids() const;
  // The ids of a text that a model is to go on with: those of its beginning, unless it begins with them already, and
  // its own.
  std::vector<int32_t> EncodePrompt(std::string_view text) const;

  // The text of the tokens, as the beginning of a text (some files drop a space there). Bytes that are no UTF-8 become
  // U+FFFD, one per maximal invalid part. Ids that no token has are skipped.
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;

  // One more than the highest id. A file may leave ids out: their Bytes are empty.
  int64_t vocab_size() const;
  std::optional<int32_t> Id(std::string_view token) const;  // of an added token's content, or of a plain token as its
                                                            // words hold it: bytes, or with U+2581 for a space
  const std::string& Bytes(int32_t id) const;               // the text that a token stands for, part of a character too
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
  // begins: the stream is the beginning of a text, as for Decode; otherwise it goes on with one.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true, bool begins = true);
  std::string Push(int32_t id);
  std::string Flush();  // what is held back, as U+FFFD

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  bool first_;         // no token yet
  uint32_t to_strip_;  // characters that may still be dropped
  std::string pending_;
};

}  // namespace fulgur
