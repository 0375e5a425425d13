#include "text/tokenizer.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/added_tokens.h"
#include "text/byte_alphabet.h"
#include "text/byte_pair_encoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_file.h"
#include "unicode/unicode.h"

namespace fulgur {
namespace {

// Everything Encode writes to besides its result.
struct EncodeScratch {
  PreTokenizer::Scratch words;
  BytePairEncoder::Scratch pairs;
};

// The decoders of a file whose tokens are texts: what each token stands for, and what the beginning of a text drops.
struct TextDecoder {
  struct Step {
    enum Kind { kReplace, kByteFallback, kStrip } kind;
    std::string text, content;  // Replace: what, by what; Strip: content
    size_t start = 0, stop = 0;
  };
  std::vector<Step> steps;
  bool first_token_without_spaces = false;  // Metaspace
  std::string stripped;                     // Strip behind Fuse: of these up to strip_left
  uint32_t strip_left = 0;

  void Read(const Json* json, const std::string& where);
  std::string Bytes(std::string token) const;
};

void TextDecoder::Read(const Json* json, const std::string& where) {
  const std::vector<const Json*> components = Components(json, "decoders", where);
  if (components.empty()) throw Error("{}: there is none; a tokenizer without \"ByteLevel\" needs one", where);
  bool fused = false;
  for (const Json* component : components) {
    const std::string type = ComponentType(*component, where);
    const std::string in_component = where + ": " + type;
    if (type == "Fuse") {
      fused = true;
    } else if (type == "ByteFallback") {
      steps.push_back({Step::kByteFallback, {}, {}});
    } else if (type == "Replace") {
      const ComponentPattern pattern = PatternOf(*component, in_component);
      if (pattern.regex || pattern.text.empty()) {
        throw Error("{}: the pattern must be a String that is not empty", in_component);
      }
      steps.push_back({Step::kReplace, pattern.text, JsonGet<std::string>(*component, "content", in_component)});
    } else if (type == "Strip") {
      const std::string content = JsonGet<std::string>(*component, "content", in_component);
      const auto start = JsonGetOr<int64_t>(*component, "start", 0, in_component);
      const auto stop = JsonGetOr<int64_t>(*component, "stop", 0, in_component);
      if (content.empty() || start < 0 || start > 64 || stop < 0 || stop > 64 || (fused && stop > 0)) {
        throw Error("{}: up to 64 characters of \"content\", behind \"Fuse\" only at the start, are supported",
                    in_component);
      }
      if (fused) {
        stripped = content;
        strip_left = static_cast<uint32_t>(start);
      } else {
        steps.push_back({Step::kStrip, {}, content, static_cast<size_t>(start), static_cast<size_t>(stop)});
      }
    } else if (type == "Metaspace") {
      steps.push_back({Step::kReplace, JsonGetOr<std::string>(*component, "replacement", "\u2581", in_component), " "});
      if (steps.back().text.empty()) throw Error("{}: \"replacement\" is empty", in_component);
      const bool add = JsonGetOr<bool>(*component, "add_prefix_space", true, in_component);
      first_token_without_spaces =
          JsonGetOr<std::string>(*component, "prepend_scheme", add ? "always" : "never", in_component) != "never";
    } else {
      throw Error(
          "{}: the decoder \"{}\" is not supported; known are ByteLevel, or of texts Metaspace, Replace, ByteFallback, "
          "Fuse, Strip and Sequence",
          where, type);
    }
  }
}

std::string TextDecoder::Bytes(std::string token) const {
  for (const Step& step : steps) {
    switch (step.kind) {
      case Step::kReplace:
        for (size_t at = 0; (at = token.find(step.text, at)) != std::string::npos; at += step.content.size()) {
          token.replace(at, step.text.size(), step.content);
        }
        break;
      case Step::kByteFallback: {  // <0x0A>
        const auto digit = [&](size_t i) {
          const size_t value = std::string_view("0123456789ABCDEF").find(token[i]);
          return value == std::string_view::npos ? -1 : static_cast<int>(value);
        };
        if (token.size() == 6 && token.starts_with("<0x") && token[5] == '>' && digit(3) >= 0 && digit(4) >= 0) {
          token = std::string(1, static_cast<char>(16 * digit(3) + digit(4)));
        }
        break;
      }
      case Step::kStrip:
        for (size_t n = 0; n < step.start && token.starts_with(step.content); ++n) token.erase(0, step.content.size());
        for (size_t n = 0; n < step.stop && token.ends_with(step.content); ++n) {
          token.resize(token.size() - step.content.size());
        }
        break;
    }
  }
  return token;
}

}  // namespace

struct Tokenizer::Impl {
  enum Flags : uint8_t { kAdded = 1, kSpecial = 2, kUsed = 4 };

  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  BytePairEncoder encoder;
  TextDecoder decoder;                              // unless byte-level
  AddedTokenMatcher raw_tokens, normalized_tokens;  // found before, after normalizing
  std::vector<std::string> bytes;                   // [id]
  std::vector<uint8_t> flags;                       // [id]
  std::unordered_map<std::string, int32_t> added_ids;
  std::vector<int32_t> begin_ids, end_ids;

  std::mutex mutex;
  std::vector<std::unique_ptr<EncodeScratch>> idle;  // as many as there ever were callers at once

  void Load(const TokenizerFile& file, const std::string& where);
  void LoadDecoder(const Json* json, const std::string& where);
  void LoadAddedTokens(const Json* list, const std::string& where);
  void LoadPostProcessor(const Json* json, const std::string& where);
  void AddEnds(const Json& processor, const std::string& where);

  bool Used(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < flags.size() && flags[static_cast<size_t>(id)] != 0;
  }
  template <typename F>
  std::vector<int32_t> WithScratch(std::string_view text, const F& encode);
  void EncodeWords(std::string_view text, bool begins, EncodeScratch* scratch, std::vector<int32_t>* ids) const;
  void EncodePart(std::string_view text, std::string_view marks, bool begins, EncodeScratch* scratch,
                  std::vector<int32_t>* ids) const;
  void EncodeMarked(std::string_view text, std::string_view marks, EncodeScratch* scratch,
                    std::vector<int32_t>* ids) const;
  void Append(int32_t id, bool* first, uint32_t* to_strip, std::string* out) const;
};

// --- Reading tokenizer.json -----------------------------------------------------------------------------------------

void Tokenizer::Impl::Load(const TokenizerFile& file, const std::string& where) {
  const Json& root = file.root;
  for (const char* key : {"truncation", "padding"}) {
    if (Member(root, key) != nullptr) {
      throw Error("{}: \"{}\" is set, which is not supported; it must be null", where, key);
    }
  }
  normalizer = Normalizer(Member(root, "normalizer"), where + ": normalizer");
  pre_tokenizer = PreTokenizer(Member(root, "pre_tokenizer"), where + ": pre_tokenizer");
  encoder = BytePairEncoder(file, pre_tokenizer.byte_level(), where);
  LoadDecoder(Member(root, "decoder"), where + ": decoder");
  bytes.resize(encoder.spellings().size());
  flags.resize(bytes.size());
  for (size_t id = 0; id < bytes.size(); ++id) {
    const std::string& spelling = encoder.spellings()[id];
    if (spelling.empty()) continue;
    flags[id] = kUsed;
    // A token with characters outside the alphabet cannot arise from text; it can only be an added one.
    bytes[id] = pre_tokenizer.byte_level() ? FromByteAlphabet(spelling).value_or(spelling) : decoder.Bytes(spelling);
  }
  LoadAddedTokens(Member(root, "added_tokens"), where);
  LoadPostProcessor(Member(root, "post_processor"), where + ": post_processor");
}

void Tokenizer::Impl::LoadDecoder(const Json* json, const std::string& where) {
  const std::vector<const Json*> components = Components(json, "decoders", where);
  const auto of_bytes = [&](const Json* c) { return ComponentType(*c, where) == "ByteLevel"; };
  if (!pre_tokenizer.byte_level()) {
    if (std::any_of(components.begin(), components.end(), of_bytes)) {
      throw Error("{}: it is \"ByteLevel\", but there is no \"ByteLevel\" among the pre-tokenizers", where);
    }
    return decoder.Read(json, where);
  }
  for (const Json* component : components) {
    if (!of_bytes(component)) {
      throw Error("{}: the decoder \"{}\" is not supported where words are made of bytes; only \"ByteLevel\" is", where,
                  ComponentType(*component, where));
    }
  }
}

void Tokenizer::Impl::LoadAddedTokens(const Json* list, const std::string& where) {
  if (list == nullptr) return;
  if (!list->is_array()) throw Error("{}: \"added_tokens\" must be a list", where);
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& json = (*list)[i];
    const std::string in_token = fmt::format("{}: added_tokens[{}]", where, i);
    const int64_t id = JsonGet<int64_t>(json, "id", in_token);
    AddedToken token;
    token.content = JsonGet<std::string>(json, "content", in_token);
    token.single_word = JsonGetOr<bool>(json, "single_word", false, in_token);
    token.lstrip = JsonGetOr<bool>(json, "lstrip", false, in_token);
    token.rstrip = JsonGetOr<bool>(json, "rstrip", false, in_token);
    if (token.content.empty()) throw Error("{}: \"content\" is empty", in_token);
    if (id < 0 || id >= kMaxTokenIds) {
      throw Error("{}: \"{}\" has id {}; ids are from 0 to {}", in_token, token.content, id, kMaxTokenIds - 1);
    }
    token.id = static_cast<int32_t>(id);
    if (!added_ids.emplace(token.content, token.id).second) {
      throw Error("{}: \"{}\" is listed twice", in_token, token.content);
    }
    const auto at = static_cast<size_t>(id);
    const std::optional<int32_t> in_vocabulary = encoder.Find(token.content);
    if (in_vocabulary && *in_vocabulary != token.id) {
      throw Error("{}: \"{}\" has id {}, but {} in the vocabulary", in_token, token.content, id, *in_vocabulary);
    }
    if (at >= bytes.size()) {
      bytes.resize(at + 1);
      flags.resize(at + 1);
    }
    if (!in_vocabulary && flags[at] != 0) {
      throw Error("{}: \"{}\" has id {}, as \"{}\" has", in_token, token.content, id, bytes[at]);
    }
    if (in_vocabulary) encoder.Exclude(token.id);
    flags[at] =
        static_cast<uint8_t>(kUsed | kAdded | (JsonGetOr<bool>(json, "special", false, in_token) ? kSpecial : 0));
    const bool normalized = JsonGetOr<bool>(json, "normalized", true, in_token);
    if (normalized) token.content = normalizer.Apply(token.content);
    bytes[at] = pre_tokenizer.byte_level() ? token.content : decoder.Bytes(token.content);
    (normalized ? normalized_tokens : raw_tokens).Add(std::move(token));
  }
}

void Tokenizer::Impl::LoadPostProcessor(const Json* json, const std::string& where) {
  for (const Json* processor : Components(json, "processors", where)) {
    const std::string type = ComponentType(*processor, where);
    if (type == "ByteLevel") continue;  // concerns offsets, which we do not report
    if (type != "TemplateProcessing") {
      throw Error(
          "{}: the post-processor \"{}\" is not supported; known are ByteLevel, TemplateProcessing and Sequence", where,
          type);
    }
    AddEnds(*processor, where + ": " + type);
  }
}

// {"single": [{"SpecialToken": {"id": "<s>", ..}}, {"Sequence": {"id": "A", ..}}],
//  "special_tokens": {"<s>": {"ids": [1], ..}}, ..}
void Tokenizer::Impl::AddEnds(const Json& processor, const std::string& where) {
  const Json* single = Member(processor, "single");
  if (single == nullptr || !single->is_array()) throw Error("{}: \"single\" must be a list", where);
  std::vector<int32_t> before, behind;
  int texts = 0;
  for (const Json& part : *single) {
    if (part.is_object() && part.contains("Sequence")) {
      ++texts;
      continue;
    }
    if (!part.is_object() || !part.contains("SpecialToken")) {
      throw Error("{}: a part of \"single\" is {}; it must be a SpecialToken or a Sequence", where, part.dump());
    }
    const std::string name = JsonGet<std::string>(part["SpecialToken"], "id", where);
    const Json* tokens = Member(processor, "special_tokens");
    const Json* token = tokens == nullptr ? nullptr : Member(*tokens, name.c_str());
    const Json* list = token == nullptr ? nullptr : Member(*token, "ids");
    if (list == nullptr || !list->is_array()) throw Error("{}: special_tokens has no ids for \"{}\"", where, name);
    for (const Json& id : *list) {
      if (!id.is_number_integer() || id < 0 || id >= kMaxTokenIds || !Used(id.get<int32_t>())) {
        throw Error("{}: the id of \"{}\" is {}, which no token has", where, name, id.dump());
      }
      (texts == 0 ? before : behind).push_back(id.get<int32_t>());
    }
  }
  if (texts != 1) throw Error("{}: \"single\" must hold one Sequence, the text", where);
  begin_ids.insert(begin_ids.begin(), before.begin(), before.end());
  end_ids.insert(end_ids.end(), behind.begin(), behind.end());
}

// --- Encoding -------------------------------------------------------------------------------------------------------

// `text` is normalized and contains no added tokens, or they are to be ordinary text.
void Tokenizer::Impl::EncodeWords(std::string_view text, bool begins, EncodeScratch* scratch,
                                  std::vector<int32_t>* ids) const {
  pre_tokenizer.ForEachWord(text, begins, &scratch->words,
                            [&](std::string_view word) { encoder.Encode(word, &scratch->pairs, ids); });
}

// A part of the text without added tokens of the first kind. marks: where those of the second kind may stand; empty:
// nowhere. begins: it is the beginning of the text.
void Tokenizer::Impl::EncodePart(std::string_view text, std::string_view marks, bool begins, EncodeScratch* scratch,
                                 std::vector<int32_t>* ids) const {
  MarkedText normal;
  if (!normalizer.empty()) {
    normal.text = text;
    normal.marks = marks.empty() ? std::string(text.size(), '\0') : std::string(marks);
    normalizer.Apply(&normal, &scratch->words.split);
    text = normal.text;
    if (!marks.empty()) marks = normal.marks;
  }
  if (marks.empty()) return EncodeWords(text, begins, scratch, ids);
  const auto may = [&](size_t begin, size_t end) { return marks.substr(begin, end - begin).find('\0') == marks.npos; };
  normalized_tokens.ForEachPart(text, may, [&](std::string_view part, const AddedToken* token) {
    if (token != nullptr) return ids->push_back(token->id);
    EncodeWords(part, begins && part.data() == text.data(), scratch, ids);
  });
}

void Tokenizer::Impl::EncodeMarked(std::string_view text, std::string_view marks, EncodeScratch* scratch,
                                   std::vector<int32_t>* ids) const {
  const auto may = [&](size_t begin, size_t end) { return marks.substr(begin, end - begin).find('\0') == marks.npos; };
  raw_tokens.ForEachPart(text, may, [&](std::string_view part, const AddedToken* token) {
    if (token != nullptr) return ids->push_back(token->id);
    const auto begin = static_cast<size_t>(part.data() - text.data());
    EncodePart(part, marks.substr(begin, part.size()), begin == 0, scratch, ids);
  });
}

template <typename F>
std::vector<int32_t> Tokenizer::Impl::WithScratch(std::string_view text, const F& encode) {
  if (text.size() > INT32_MAX) throw Error("a text of {} bytes is too long to encode; the limit is 2 GB", text.size());
  std::unique_ptr<EncodeScratch> scratch;
  {
    const std::lock_guard lock(mutex);
    if (!idle.empty()) {
      scratch = std::move(idle.back());
      idle.pop_back();
    }
  }
  if (scratch == nullptr) scratch = std::make_unique<EncodeScratch>();
  std::vector<int32_t> ids;
  encode(scratch.get(), &ids);
  const std::lock_guard lock(mutex);
  idle.push_back(std::move(scratch));
  return ids;
}

// What a token adds to a text. first: it is the text's first; to_strip: as many `stripped` may still be dropped.
void Tokenizer::Impl::Append(int32_t id, bool* first, uint32_t* to_strip, std::string* out) const {
  std::string_view piece = bytes[static_cast<size_t>(id)];
  if (std::exchange(*first, false) && decoder.first_token_without_spaces) {
    std::copy_if(piece.begin(), piece.end(), std::back_inserter(*out), [](char c) { return c != ' '; });
    return;
  }
  while (*to_strip > 0 && !piece.empty()) {
    const bool drop = piece.starts_with(decoder.stripped);
    *to_strip = drop ? *to_strip - 1 : 0;
    if (drop) piece.remove_prefix(decoder.stripped.size());
  }
  *out += piece;
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
  const TokenizerFile file = TokenizerFile::Read(json, where);
  auto impl = std::make_unique<Impl>();
  impl->Load(file, where);
  return Tokenizer(std::move(impl));
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, Special special) const {
  return impl_->WithScratch(text, [&](EncodeScratch* scratch, std::vector<int32_t>* ids) {
    if (special == Special::kPlainText) return impl_->EncodePart(text, {}, true, scratch, ids);
    impl_->EncodeMarked(text, std::string(text.size(), '\1'), scratch, ids);
  });
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, Ranges recognised) const {
  std::string marks(text.size(), '\0');
  for (const auto& [begin, end] : recognised) {
    FULGUR_CHECK(begin <= end && end <= text.size());
    std::fill(marks.begin() + static_cast<std::ptrdiff_t>(begin), marks.begin() + static_cast<std::ptrdiff_t>(end),
              '\1');
  }
  return impl_->WithScratch(
      text, [&](EncodeScratch* scratch, std::vector<int32_t>* ids) { impl_->EncodeMarked(text, marks, scratch, ids); });
}

const std::vector<int32_t>& Tokenizer::begin_ids() const { return impl_->begin_ids; }
const std::vector<int32_t>& Tokenizer::end_ids() const { return impl_->end_ids; }

std::vector<int32_t> Tokenizer::EncodePrompt(std::string_view text) const {
  std::vector<int32_t> ids = Encode(text, Special::kRecognised);
  const std::vector<int32_t>& begin = begin_ids();
  const bool there = ids.size() >= begin.size() && std::equal(begin.begin(), begin.end(), ids.begin());
  if (!there) ids.insert(ids.begin(), begin.begin(), begin.end());
  return ids;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string text;
  for (const int32_t id : ids) text += decoder.Push(id);
  return text + decoder.Flush();
}

int64_t Tokenizer::vocab_size() const { return static_cast<int64_t>(impl_->bytes.size()); }

std::optional<int32_t> Tokenizer::Id(std::string_view token) const {
  if (const auto it = impl_->added_ids.find(std::string(token)); it != impl_->added_ids.end()) return it->second;
  return impl_->pre_tokenizer.byte_level() ? impl_->encoder.Find(ToByteAlphabet(token)) : impl_->encoder.Find(token);
}

const std::string& Tokenizer::Bytes(int32_t id) const {
  FULGUR_CHECK(id >= 0 && id < vocab_size(), "no token has id {}", id);
  return impl_->bytes[static_cast<size_t>(id)];
}

bool Tokenizer::IsAdded(int32_t id) const {
  return impl_->Used(id) && (impl_->flags[static_cast<size_t>(id)] & Impl::kAdded) != 0;
}

bool Tokenizer::IsSpecial(int32_t id) const {
  return impl_->Used(id) && (impl_->flags[static_cast<size_t>(id)] & Impl::kSpecial) != 0;
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special, bool begins)
    : tokenizer_(&tokenizer),
      skip_special_(skip_special),
      first_(begins),
      to_strip_(begins ? tokenizer.impl_->decoder.strip_left : 0) {}

std::string StreamDecoder::Push(int32_t id) {
  std::string text;
  if (!tokenizer_->impl_->Used(id) || (skip_special_ && tokenizer_->IsSpecial(id))) return text;
  tokenizer_->impl_->Append(id, &first_, &to_strip_, &pending_);
  DrainUtf8(&pending_, /*final=*/false, &text);
  return text;
}

std::string StreamDecoder::Flush() {
  std::string text;
  DrainUtf8(&pending_, /*final=*/true, &text);
  return text;
}

}  // namespace fulgur
