#include "train/conversation.h"

#include <algorithm>

namespace fulgur {
namespace {

constexpr auto kServing = ChatTemplate::Mode::kServing;

// The part of `text` after `prefix`; Error if it does not start so.
std::string After(const std::string& text, const std::string& prefix) {
  if (text.compare(0, prefix.size(), prefix) != 0) {
    throw Error(
        "the chat template does not render an assistant's turn as the generation prompt followed by the text; such a "
        "template cannot be trained with");
  }
  return text.substr(prefix.size());
}

Json FirstMessages(const Json& messages, size_t count) {
  Json first = Json::array();
  for (size_t i = 0; i < count; ++i) first.push_back(messages[i]);
  return first;
}

}  // namespace

std::string AssistantText(const std::string& thinking, const std::string& answer) {
  return "<think>\n" + thinking + "\n</think>\n\n" + answer;
}

ConversationEncoder::ConversationEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat_template)
    : tokenizer_(tokenizer), template_(chat_template) {
  static const char* const kProbe = "probe";
  const Json user = {{"role", "user"}, {"content", "question"}};
  const Json assistant = {{"role", "assistant"}, {"content", kProbe}};
  const std::string prompt = template_.Render(Json::array({user}), nullptr, true, kServing);
  const std::string turn = template_.Render(Json::array({user, assistant}), nullptr, false, kServing);
  end_text_ = After(turn, prompt + kProbe);
  end_ids_ = tokenizer_.Encode(end_text_, Tokenizer::Special::kRecognised);
  for (size_t i = 0; i < end_ids_.size(); ++i) {
    if (tokenizer_.IsAdded(end_ids_[i])) end_counted_ = i + 1;
  }
  if (end_counted_ == 0) {
    throw Error("the chat template ends an assistant's turn with \"{}\", in which the tokenizer knows no special token",
                end_text_);
  }
}

Example ConversationEncoder::Encode(const Json& messages, const Json& tools) const {
  if (!messages.is_array()) throw Error("messages must be a list, not {}", messages.type_name());
  Example example;
  size_t counted = 0;  // tokens up to the last that counts
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object()) throw Error("message {} must be an object", i);
    if (JsonGetOr<std::string>(messages[i], "role", "", fmt::format("message {}", i)) != "assistant") continue;
    const Json before = FirstMessages(messages, i);
    const std::vector<int32_t> prompt = template_.Encode(tokenizer_, before, tools, true);
    if (prompt.size() < example.tokens.size() ||
        !std::equal(example.tokens.begin(), example.tokens.end(), prompt.begin())) {
      throw Error("the chat template renders the turns before message {} otherwise than when they were last", i);
    }
    example.tokens = prompt;
    example.counts.resize(prompt.size(), 0);

    std::string text = After(template_.Render(FirstMessages(messages, i + 1), tools, false, kServing),
                             template_.Render(before, tools, true, kServing));
    if (text.size() < end_text_.size() || !text.ends_with(end_text_)) {
      throw Error("the chat template ends the turn of message {} otherwise than with \"{}\"", i, end_text_);
    }
    text.resize(text.size() - end_text_.size());
    const std::vector<int32_t> ids = tokenizer_.Encode(text, Tokenizer::Special::kPlainText);
    example.tokens.insert(example.tokens.end(), ids.begin(), ids.end());
    example.tokens.insert(example.tokens.end(), end_ids_.begin(), end_ids_.end());
    example.counts.resize(prompt.size() + ids.size() + end_counted_, 1);
    counted = example.counts.size();
    example.counts.resize(example.tokens.size(), 0);
  }
  if (counted == 0) throw Error("there is no assistant message to learn from");
  example.tokens.resize(counted);
  example.counts.resize(counted);
  return example;
}

}  // namespace fulgur
