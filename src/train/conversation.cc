#include "train/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/output_format.h"

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

// The field that has the thinking of a message; null if it has none.
const Json* ThinkingOf(const Json& message, const std::string& where, const char** field) {
  const Json* thinking = nullptr;
  for (const char* key : {"reasoning_content", "reasoning", "thinking"}) {
    if (!message.contains(key) || message[key].is_null() || message[key] == "") continue;
    if (!message[key].is_string()) throw Error("{}: \"{}\" must be a string", where, key);
    if (thinking != nullptr && *thinking != message[key]) throw Error("{} has its thinking in two fields", where);
    thinking = &message[key];
    *field = key;
  }
  return thinking;
}

// Puts the thinking of an assistant's message before its text.
void FoldThinking(Json* message, const std::string& where) {
  const char* field = "";
  const Json* found = ThinkingOf(*message, where, &field);
  if (found != nullptr) {
    const std::string thinking = *found;
    Json& content = (*message)["content"];
    Json* first =
        content.is_array() && !content.empty() && content[0].contains("text") ? &content[0]["text"] : &content;
    if (first->is_string() && first->get_ref<const std::string&>().starts_with(kThinkOpen)) {
      throw Error("{} has its thinking twice: in its text, and in a field of its own", where);
    }
    if (!first->is_string() && !first->is_null() && !first->empty()) {
      throw Error("{}: with \"{}\" its content must be a text or begin with one", where, field);
    }
    *first = AssistantText(thinking, first->is_string() ? first->get<std::string>() : "");
  }
  for (const char* key : {"reasoning_content", "reasoning", "thinking"}) message->erase(key);
}

// A call in the form that came before tool_calls.
void UseToolCalls(Json* message, const std::string& where) {
  if (!message->contains("function_call")) return;
  const Json call = (*message)["function_call"];
  message->erase("function_call");
  if (call.is_null()) return;
  if (message->contains("tool_calls") && !(*message)["tool_calls"].is_null()) {
    throw Error("{} has both \"function_call\" and \"tool_calls\"", where);
  }
  if (!call.is_object() || !call.contains("name")) {
    throw Error("{}: \"function_call\" must be an object with \"name\" and \"arguments\"", where);
  }
  (*message)["tool_calls"] = {{{"type", "function"}, {"function", call}}};
}

// Takes the weight off; whether the message counts.
bool TakeWeight(Json* message, bool assistant, const std::string& where) {
  if (!message->contains("weight")) return assistant;
  const Json weight = (*message)["weight"];
  message->erase("weight");
  if (weight.is_null()) return assistant;
  if (weight != 0 && weight != 1) throw Error("{}: \"weight\" must be 0 or 1, not {}", where, weight.dump());
  if (weight == 1 && !assistant)
    throw Error("{} has a weight of 1, but only what the assistant says is learned", where);
  return weight == 1;
}

// Messages as the template takes them, and which of them count.
struct Chat {
  Json messages = Json::array();
  std::vector<bool> counts;
};

Chat ReadChat(const Json& messages) {
  if (!messages.is_array()) throw Error("messages must be a list, not {}", messages.type_name());
  Chat chat;
  for (size_t i = 0; i < messages.size(); ++i) {
    Json message = messages[i];
    const std::string where = fmt::format("messages[{}]", i);
    if (!message.is_object()) throw Error("{} must be an object", where);
    const std::string role = JsonGetOr<std::string>(message, "role", "", where);
    const bool assistant = role == "assistant";
    if (role == "function") message["role"] = "tool";
    chat.counts.push_back(TakeWeight(&message, assistant, where));
    if (assistant) {
      FoldThinking(&message, where);
      UseToolCalls(&message, where);
      const auto has = [&](const char* key) { return message.contains(key) && !message[key].is_null(); };
      if (!has("content") && !has("tool_calls")) throw Error("{} has neither a text nor a call", where);
    } else {
      for (const char* key : {"reasoning_content", "reasoning", "thinking", "function_call", "tool_calls"}) {
        if (message.contains(key) && !message[key].is_null() && !message[key].empty()) {
          throw Error("{}: only a message of the assistant has \"{}\", not one of role \"{}\"", where, key, role);
        }
      }
    }
    chat.messages.push_back(std::move(message));
  }
  return chat;
}

}  // namespace

std::string AssistantText(const std::string& thinking, const std::string& answer) {
  return fmt::format("{}\n{}\n{}\n\n{}", kThinkOpen, thinking, kThinkClose, answer);
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

Example ConversationEncoder::EncodeRecord(const Json& record) const {
  Json tools = record.contains("tools") ? record["tools"] : Json();
  if (tools.is_null() && record.contains("functions") && !record["functions"].is_null()) {
    if (!record["functions"].is_array())
      throw Error("functions must be a list, found {}", record["functions"].type_name());
    for (const Json& function : record["functions"]) tools.push_back({{"type", "function"}, {"function", function}});
  }
  return Encode(record["messages"], tools);
}

Example ConversationEncoder::Encode(const Json& messages_as_given, const Json& tools) const {
  const Chat chat = ReadChat(messages_as_given);
  const Json& messages = chat.messages;
  Example example;
  size_t counted = 0;  // tokens up to the last that counts
  for (size_t i = 0; i < messages.size(); ++i) {
    if (JsonGetOr<std::string>(messages[i], "role", "", fmt::format("messages[{}]", i)) != "assistant") continue;
    const Json before = FirstMessages(messages, i);
    const std::vector<int32_t> prompt = template_.Encode(tokenizer_, before, tools, true);
    if (prompt.size() < example.tokens.size() ||
        !std::equal(example.tokens.begin(), example.tokens.end(), prompt.begin())) {
      throw Error("the chat template renders the turns before messages[{}] otherwise than when they were last", i);
    }
    example.tokens = prompt;
    example.counts.resize(prompt.size(), 0);

    std::string text = After(template_.Render(FirstMessages(messages, i + 1), tools, false, kServing),
                             template_.Render(before, tools, true, kServing));
    if (text.size() < end_text_.size() || !text.ends_with(end_text_)) {
      throw Error("the chat template ends the turn of messages[{}] otherwise than with \"{}\"", i, end_text_);
    }
    text.resize(text.size() - end_text_.size());
    const std::vector<int32_t> ids = tokenizer_.Encode(text, Tokenizer::Special::kPlainText);
    example.tokens.insert(example.tokens.end(), ids.begin(), ids.end());
    example.tokens.insert(example.tokens.end(), end_ids_.begin(), end_ids_.end());
    example.counts.resize(prompt.size() + ids.size() + end_counted_, chat.counts[i] ? 1 : 0);
    if (chat.counts[i]) counted = example.counts.size();
    example.counts.resize(example.tokens.size(), 0);
  }
  if (counted == 0) throw Error("there is no assistant message to learn from");
  example.tokens.resize(counted);
  example.counts.resize(counted);
  return example;
}

}  // namespace fulgur
