#include "text/gguf_tokenizer.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "text/tokenizer_file.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

// What a token is, by its number in tokenizer.ggml.token_type.
enum TokenType : int { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// The splitting of MiniMax's tokenizers, which is that of GPT-4o's; with digits one by one, as our small models have
// it, the merges are such that both give the same tokens.
std::string SplitPattern(const std::string& digits) {
  const std::string lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]", upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
  const std::string before = "[^\\r\\n\\p{L}\\p{N}]?", end = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?";
  return before + upper + "*" + lower + "+" + end + "|" + before + upper + "+" + lower + "*" + end + "|" + digits +
         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
}
constexpr const char* kDigitsByThree = "\\p{N}{1,3}";
constexpr const char* kDigitByDigit = "\\p{N}";
constexpr const char* kPreTokenizer = "gpt-4o";

bool IsDigits(const std::string& spelling) {
  return !spelling.empty() && spelling.find_first_not_of("0123456789") == std::string::npos;
}

// Refuses what the metadata cannot say.
void CheckTokenizer(const TokenizerFile& file, const std::string& where) {
  const auto refuse = [&](const std::string& what) { throw Error("{}: {}", where, what); };
  const Json* const model = Member(file.root, "model");
  if (model == nullptr || model->value("type", "") != "BPE" || !file.has_vocab || !file.has_merges) {
    refuse("GGUF can hold BPE tokenizers only");
  }
  if (model->value("byte_fallback", false)) refuse("GGUF's \"gpt2\" is a BPE of bytes; this one is of characters");
  if (Member(file.root, "normalizer") != nullptr) refuse("GGUF has no key for a normalizer");
  bool bytes = false, split = false, single = false;
  for (const Json* part : Components(Member(file.root, "pre_tokenizer"), "pretokenizers", where)) {
    const std::string type = ComponentType(*part, where);
    if (type == "ByteLevel") {
      bytes = true;
      if (part->value("add_prefix_space", false)) refuse("GGUF has no key for add_prefix_space");
      if (part->value("use_regex", true)) refuse("ByteLevel splits by a pattern of its own, which has no name here");
      continue;
    }
    const std::string behaviour = part->value("behavior", "");
    const bool isolates = part->value("invert", false) ? behaviour == "Removed" : behaviour == "Isolated";
    if (type != "Split" || split || !isolates) refuse("GGUF has no name for a pre-tokenizer with " + type);
    split = true;
    const std::string pattern = PatternOf(*part, where).text;
    single = pattern == SplitPattern(kDigitByDigit);
    if (!single && pattern != SplitPattern(kDigitsByThree)) {
      refuse("the splitting pattern is none that llama.cpp has a name for: " + pattern);
    }
  }
  if (!bytes || !split) refuse("GGUF's \"gpt2\" needs a Split and a ByteLevel pre-tokenizer");
  if (!single) return;
  for (const auto& [left, right] : file.merges) {
    if (IsDigits(left) && IsDigits(right)) {
      refuse(fmt::format("digits are split one by one, but there is a merge \"{} {}\"", left, right));
    }
  }
}

std::optional<std::string> TextOf(const Json& config, const char* key) {
  const Json* const value = Member(config, key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_object() && value->contains("content")) return (*value)["content"].get<std::string>();
  return std::nullopt;
}

const Json& Key(const std::map<std::string, Json>& metadata, const std::string& key, const std::string& where) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw Error("{}: the key {} is missing", where, key);
  return found->second;
}

// A list of `count` strings or numbers (any number of them if count is 0).
const Json& List(const std::map<std::string, Json>& metadata, const std::string& key, bool strings, size_t count,
                 const std::string& where) {
  const Json& list = Key(metadata, key, where);
  const auto good = [&](const Json& member) { return strings ? member.is_string() : member.is_number_integer(); };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), good)) {
    throw Error("{}: {} must be a list of {}", where, key, strings ? "texts" : "whole numbers");
  }
  if (count > 0 && list.size() != count) {
    throw Error("{}: {} has {} members; {} are expected, one a token", where, key, list.size(), count);
  }
  return list;
}

std::string Quoted(const std::string& text, const std::string& where, const char* what = "a token") {
  try {
    return Json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error("{}: {} is no UTF-8", where, what);
  }
}

// As messages show it, also where it is no UTF-8.
std::string Shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60);
}

}  // namespace

std::vector<std::pair<std::string, Json>> GgufTokenizerMetadata(const fs::path& dir, int64_t vocab_size,
                                                                const std::vector<int64_t>& eos_token_ids) {
  const std::string where = (dir / "tokenizer.json").string();
  const TokenizerFile file = TokenizerFile::Read(ReadFile(dir / "tokenizer.json"), where);
  CheckTokenizer(file, where);

  std::vector<std::string> tokens(static_cast<size_t>(vocab_size));
  std::vector<int> types(tokens.size(), kUnused);
  std::map<std::string, int64_t> ids;
  const auto put = [&](const std::string& text, int64_t id, TokenType type) {
    if (id < 0 || id >= vocab_size)
      throw Error("{}: token {} has the id {}, the model has {}", where, text, id, vocab_size);
    tokens[static_cast<size_t>(id)] = text;
    types[static_cast<size_t>(id)] = type;
    ids[text] = id;
  };
  for (const auto& [text, id] : file.vocab) put(text, id, kNormal);
  if (const Json* added = Member(file.root, "added_tokens"); added != nullptr) {
    for (const Json& token : *added) {
      put(JsonGet<std::string>(token, "content", where), JsonGet<int64_t>(token, "id", where),
          token.value("special", false) ? kControl : kUserDefined);
    }
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] == kUnused) tokens[i] = fmt::format("[PAD{}]", i);
  }
  Json merges = Json::array();
  for (const auto& [left, right] : file.merges) merges.push_back(left + " " + right);

  std::vector<std::pair<std::string, Json>> m = {{"tokenizer.ggml.model", "gpt2"},
                                                 {"tokenizer.ggml.pre", kPreTokenizer},
                                                 {"tokenizer.ggml.tokens", tokens},
                                                 {"tokenizer.ggml.token_type", types}};
  if (!merges.empty()) m.emplace_back("tokenizer.ggml.merges", merges);
  const fs::path config_file = dir / "tokenizer_config.json";
  const Json config = fs::exists(config_file) ? ReadJsonFile(config_file) : Json::object();
  const auto id_of = [&](const char* key) -> std::optional<int64_t> {
    const std::optional<std::string> text = TextOf(config, key);
    if (!text || !ids.contains(*text)) return std::nullopt;
    return ids.at(*text);
  };
  if (const auto id = id_of("bos_token")) m.emplace_back("tokenizer.ggml.bos_token_id", *id);
  if (!eos_token_ids.empty()) {
    m.emplace_back("tokenizer.ggml.eos_token_id", eos_token_ids.front());
  } else if (const auto eos = id_of("eos_token")) {
    m.emplace_back("tokenizer.ggml.eos_token_id", *eos);
  }
  if (const auto id = id_of("unk_token")) m.emplace_back("tokenizer.ggml.unknown_token_id", *id);
  if (const auto id = id_of("pad_token")) m.emplace_back("tokenizer.ggml.padding_token_id", *id);
  m.emplace_back("tokenizer.ggml.add_bos_token", false);  // the chat template writes what a prompt begins with
  if (fs::exists(dir / "chat_template.jinja")) {
    m.emplace_back("tokenizer.chat_template", ReadFile(dir / "chat_template.jinja"));
  } else if (const auto chat = TextOf(config, "chat_template")) {
    m.emplace_back("tokenizer.chat_template", *chat);
  }
  return m;
}

void WriteGgufTokenizer(const std::map<std::string, Json>& metadata, const std::string& where, const fs::path& dir) {
  if (!metadata.contains("tokenizer.ggml.model")) return;
  const Json& model = Key(metadata, "tokenizer.ggml.model", where);
  const auto pre = metadata.find("tokenizer.ggml.pre");
  const std::string pre_name = pre != metadata.end() && pre->second.is_string() ? pre->second.get<std::string>() : "";
  if (model != "gpt2" || (pre_name != kPreTokenizer && pre_name != "minimax-01")) {
    throw Error("{}: the tokenizer is {} with the splitting \"{}\"; \"gpt2\" with \"{}\" is read", where, Shown(model),
                pre_name, kPreTokenizer);
  }
  const Json& tokens = List(metadata, "tokenizer.ggml.tokens", true, 0, where);
  const Json& types = List(metadata, "tokenizer.ggml.token_type", false, tokens.size(), where);
  const Json& merges = List(metadata, "tokenizer.ggml.merges", true, 0, where);

  // Written by hand: an object of 200,000 members would be searched for each of them.
  std::string vocab, added, merge_list;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int type = types[i].get<int>();
    const std::string text = Quoted(tokens[i].get<std::string>(), where);
    if (type == kNormal) {
      vocab += fmt::format("{}{}: {}", vocab.empty() ? "" : ", ", text, i);
    } else if (type == kControl || type == kUserDefined || type == kUnknown) {
      added += fmt::format(
          R"({}{{"id": {}, "content": {}, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, )"
          R"("special": {}}})",
          added.empty() ? "" : ", ", i, text, type != kUserDefined);
    }
  }
  for (const Json& merge : merges) {
    merge_list += fmt::format("{}{}", merge_list.empty() ? "" : ", ", Quoted(merge.get<std::string>(), where));
  }
  const auto token = [&](const char* key) -> std::optional<std::string> {
    const auto id = metadata.find(std::string("tokenizer.ggml.") + key);
    if (id == metadata.end()) return std::nullopt;
    if (!id->second.is_number_unsigned() || id->second >= tokens.size()) {
      throw Error("{}: tokenizer.ggml.{} is {}; there are {} tokens", where, key, Shown(id->second), tokens.size());
    }
    return tokens[id->second.get<size_t>()].get<std::string>();
  };
  const auto bos = token("bos_token_id");
  const auto add_bos = metadata.find("tokenizer.ggml.add_bos_token");
  std::string post = "null";
  if (add_bos != metadata.end() && add_bos->second == true) {
    if (!bos) throw Error("{}: tokenizer.ggml.add_bos_token without a bos_token_id", where);
    const std::string text = Quoted(*bos, where);
    post = fmt::format(
        R"({{"type": "TemplateProcessing", "single": [{{"SpecialToken": {{"id": {0}, "type_id": 0}}}}, )"
        R"({{"Sequence": {{"id": "A", "type_id": 0}}}}], "pair": [], "special_tokens": {{{0}: {{"id": {0}, )"
        R"("ids": [{1}], "tokens": [{0}]}}}}}})",
        text, metadata.at("tokenizer.ggml.bos_token_id").dump());
  }
  fs::create_directories(dir);
  WriteFileAtomic(
      dir / "tokenizer.json",
      fmt::format(
          R"({{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{}], "normalizer": null, )"
          R"("pre_tokenizer": {{"type": "Sequence", "pretokenizers": [{{"type": "Split", "pattern": {{"Regex": {}}}, )"
          R"("behavior": "Isolated", "invert": false}}, {{"type": "ByteLevel", "add_prefix_space": false, )"
          R"("trim_offsets": true, "use_regex": false}}]}}, "post_processor": {}, "decoder": {{"type": "ByteLevel", )"
          R"("add_prefix_space": true, "trim_offsets": true, "use_regex": true}}, "model": {{"type": "BPE", )"
          R"("dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "", )"
          R"("fuse_unk": false, "byte_fallback": false, "vocab": {{{}}}, "merges": [{}]}}}})",
          added, Json(SplitPattern(kDigitsByThree)).dump(), post, vocab, merge_list));
  Json config = {{"tokenizer_class", "GPT2Tokenizer"}, {"add_prefix_space", false}};
  if (bos) config["bos_token"] = *bos;
  if (const auto eos = token("eos_token_id")) config["eos_token"] = *eos;
  if (const auto unk = token("unknown_token_id")) config["unk_token"] = *unk;
  if (const auto chat = metadata.find("tokenizer.chat_template"); chat != metadata.end()) {
    if (!chat->second.is_string()) throw Error("{}: tokenizer.chat_template must be a text", where);
    Quoted(chat->second.get<std::string>(), where, "tokenizer.chat_template");
    config["chat_template"] = chat->second;
  }
  WriteFileAtomic(dir / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace fulgur
