#include "serve/conversation.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/json_as_given.h"
#include "text/output_format.h"
#include "unicode/characters.h"

namespace fulgur {
namespace {

// Whether a part of this type has something for the model that is not text.
bool IsMedia(const std::string& type) {
  for (const char* word : {"image", "audio", "video", "file", "document", "screenshot", "upload"}) {
    if (type.find(word) != std::string::npos) return true;
  }
  return false;
}

void AddText(std::string_view text, std::string_view separator, std::string* out) {
  if (!out->empty() && !text.empty()) *out += separator;
  *out += text;
}

// A document of Anthropic's with its text in it.
std::string DocumentText(Fields& document) {
  Fields source(document.Need("source", "an object with \"type\""), document.Path("source"), document.ignored());
  const std::string type = source.NeedString("type");
  source.Known({"media_type"});
  std::string text = document.String("title").value_or("");
  AddText(document.String("context").value_or(""), "\n", &text);
  if (type == "text") {
    AddText(source.NeedString("data"), "\n", &text);
  } else if (type == "content") {
    AddText(ReadContent(source.Need("content", "a string or a list of blocks"), source.Path("content"),
                        document.ignored(), "\n\n")
                .text,
            "\n", &text);
  } else {
    throw Invalid(source.Path("type"), "documents of type {} are not supported; this model reads text", Shown(type));
  }
  return text;
}

std::string SearchResultText(Fields& result) {
  std::string text = result.String("title").value_or("");
  AddText(result.String("source").value_or(""), "\n", &text);
  AddText(
      ReadContent(result.Need("content", "a list of text blocks"), result.Path("content"), result.ignored(), "\n").text,
      "\n", &text);
  return text;
}

constexpr std::string_view kBillingLine = "x-anthropic-billing-header:";

std::string WithoutBillingLine(const std::string& text, const std::string& path, IgnoredFields* ignored) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos || text.size() - begin < kBillingLine.size() ||
      !std::equal(kBillingLine.begin(), kBillingLine.end(), text.begin() + static_cast<std::ptrdiff_t>(begin),
                  [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); })) {
    return text;
  }
  ignored->Add(path, kBillingLine.substr(0, kBillingLine.size() - 1));
  const size_t end = text.find('\n', begin);
  const size_t next = end == std::string::npos ? end : text.find_first_not_of("\r\n", end);
  return next == std::string::npos ? std::string() : text.substr(next);
}

}  // namespace

bool ReadPart(const Json& json, const std::string& path, IgnoredFields* ignored, std::string_view separator,
              ContentText* out) {
  if (json.is_string()) {
    AddText(json.get_ref<const std::string&>(), separator, &out->text);
    return true;
  }
  Fields part(json, path, ignored);
  const std::string type = part.String("type").value_or("text");
  part.Known({"cache_control", "annotations", "citations", "logprobs", "id", "index", "signature", "phase"});
  if (type == "text" || type == "input_text" || type == "output_text" || type == "summary_text") {
    AddText(part.NeedString("text"), separator, &out->text);
  } else if (type == "thinking") {
    out->thinking += part.NeedString("thinking");
  } else if (type == "reasoning" || type == "reasoning_text") {
    out->thinking += part.NeedString("text");
  } else if (type == "refusal") {
    AddText(part.NeedString("refusal"), separator, &out->text);
  } else if (type == "document" && part.Get("source") != nullptr) {
    AddText(DocumentText(part), separator, &out->text);
  } else if (type == "search_result") {
    AddText(SearchResultText(part), separator, &out->text);
  } else if (IsMedia(type)) {
    throw Invalid(part.Path("type"), "parts of type {} are not supported; this model reads text", Shown(type));
  } else {
    // What is in them beside text is not told.
    if (ignored != nullptr) ignored->Add(path, type);
    part.KnownAll();
    bool found = false;
    for (const char* key : {"text", "tool_name"}) {
      const Json* text = part.Get(key);
      if (text == nullptr || !text->is_string()) continue;
      AddText(text->get_ref<const std::string&>(), separator, &out->text);
      found = true;
    }
    return found;
  }
  return true;
}

ContentText ReadContent(const Json& content, const std::string& path, IgnoredFields* ignored,
                        std::string_view separator) {
  ContentText out;
  if (content.is_string()) {
    out.text = content.get<std::string>();
  } else if (content.is_array()) {
    for (size_t i = 0; i < content.size(); ++i) {
      ReadPart(content[i], fmt::format("{}[{}]", path, i), ignored, separator, &out);
    }
  } else {
    throw Invalid(path, "must be a string or a list of parts, found {}", Shown(content));
  }
  return out;
}

std::string ReadSystem(const Json& content, const std::string& path, IgnoredFields* ignored,
                       std::string_view separator) {
  if (!content.is_array()) return WithoutBillingLine(ReadContent(content, path, ignored).text, path, ignored);
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    ContentText part;
    ReadPart(content[i], at, ignored, separator, &part);
    AddText(WithoutBillingLine(part.text, at, ignored), separator, &text);
  }
  return text;
}

std::string WithThinking(const std::string& reasoning, const std::string& content) {
  if (reasoning.empty()) return content;
  std::string text = fmt::format("{}\n{}\n{}", kThinkOpen, reasoning, kThinkClose);
  if (!content.empty()) text += "\n\n" + content;
  return text;
}

namespace {
constexpr std::string_view kSeal = "fulgur1.";
}  // namespace

std::string SealThinking(std::string_view text) {
  std::string base64(4 * ((text.size() + 2) / 3) + 1, '\0');  // and a zero
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  base64.resize(static_cast<size_t>(size));
  return std::string(kSeal) + base64;
}

std::optional<std::string> OpenThinking(std::string_view sealed) {
  if (!sealed.starts_with(kSeal)) return std::nullopt;
  sealed.remove_prefix(kSeal.size());
  std::string text(sealed.size(), '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(sealed.data()), static_cast<int>(sealed.size()));
  const size_t padding = sealed.ends_with("==") ? 2 : sealed.ends_with("=") ? 1 : 0;
  if (size < static_cast<int>(padding)) return std::nullopt;
  text.resize(static_cast<size_t>(size) - padding);
  if (!unicode::IsValidUtf8(text)) return std::nullopt;
  return text;
}

void MessageBuilder::Thinking(std::string_view text) {
  open_ = true;
  if (defaults_.keep_thinking) thinking_ += text;
}

void MessageBuilder::Text(std::string_view text) {
  open_ = has_text_ = true;
  text_ += text;
}

void MessageBuilder::Call(const std::string& id, const std::string& name, const Json& arguments) {
  open_ = true;
  Json function = {{"name", name}};
  Json value = arguments;
  std::string written;
  if (arguments.is_string()) {
    written = arguments.get<std::string>();
    if (written.find_first_not_of(" \t\r\n") == std::string::npos) {
      value = Json::object();
    } else {
      try {
        value = ParseJsonAsGiven(written, "the arguments");
      } catch (const Error&) {  // it stays as it was written
      }
    }
  } else if (arguments.is_null()) {
    value = Json::object();
  } else {
    written = DumpJson(arguments);
  }
  if (value.is_object() && !RepeatedKey(value)) {
    function["arguments"] = std::move(value);
  } else {
    function["written"] = std::move(written);
  }
  Json call = {{"type", "function"}, {"function", std::move(function)}};
  if (!id.empty()) {
    call["id"] = id;
    ids_.insert(id);
  }
  calls_.push_back(std::move(call));
}

void MessageBuilder::EndTurn() {
  if (!open_) return;
  Json message = {{"role", "assistant"}, {"content", WithThinking(thinking_, text_)}};
  if (!calls_.empty()) message["tool_calls"] = std::exchange(calls_, Json::array());
  request_->messages.push_back(std::move(message));
  open_ = has_text_ = false;
  thinking_.clear();
  text_.clear();
}

void MessageBuilder::Result(const std::string& call_id, const std::string& name, const std::string& text) {
  EndTurn();
  Json message = {{"role", "tool"}, {"content", text}};
  if (!call_id.empty()) message["tool_call_id"] = call_id;
  if (!name.empty()) message["name"] = name;
  request_->messages.push_back(std::move(message));
}

void MessageBuilder::Other(const char* role, const std::string& text) {
  EndTurn();
  request_->messages.push_back({{"role", role}, {"content", text}});
}

}  // namespace fulgur
