// The conversation so far, as the APIs send it, to the messages that the chat template takes.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "serve/fields.h"
#include "serve/request.h"

namespace fulgur {

struct ContentText {
  std::string text, thinking;
};

// A content: a string, or a list of parts (blocks, as Anthropic calls them).
//   text of any kind, search results, documents with text: is read
//   pictures, sound, files, documents without text: 400, since the model has to see them and cannot
//   types that nobody knows: their text, if they have any; else they are skipped and named
// separator: between the texts of two parts.
ContentText ReadContent(const Json& content, const std::string& path, IgnoredFields* ignored,
                        std::string_view separator = "");
// False: the part was skipped.
bool ReadPart(const Json& part, const std::string& path, IgnoredFields* ignored, std::string_view separator,
              ContentText* out);
// The same of a system prompt. A line that Claude Code puts at its beginning and changes with every request
// ("x-anthropic-billing-header: ...") is not part of it: nothing behind it would be found in the prefix cache.
std::string ReadSystem(const Json& content, const std::string& path, IgnoredFields* ignored,
                       std::string_view separator = "");

// The text of an assistant message whose thinking was handed back. Before tool calls that follow, nothing is added.
std::string WithThinking(const std::string& reasoning, const std::string& content);

// Thinking in the form in which clients hand it back and do not read it ("encrypted_content", "signature"). It is not a
// secret: anybody can open it. None: it was not made by SealThinking.
std::string SealThinking(std::string_view text);
std::optional<std::string> OpenThinking(std::string_view sealed);

// Puts ApiRequest::messages together. What the assistant does between two messages of others is a turn, which has
// thinking, text and calls.
class MessageBuilder {
 public:
  MessageBuilder(const RequestDefaults& defaults, ApiRequest* request) : defaults_(defaults), request_(request) {}

  void System(const std::string& text) { Other("system", text); }
  void User(const std::string& text) { Other("user", text); }

  void Thinking(std::string_view text);
  void Text(std::string_view text);
  // arguments: an object, or its JSON text, or whatever an earlier answer had there: what is no JSON object goes into
  // the prompt as it was written. Null: none. id: empty, or what results refer to.
  void Call(const std::string& id, const std::string& name, const Json& arguments);
  // Ends the turn; one in which nothing was said is an empty message if it was begun by Thinking or Text.
  void EndTurn();
  bool has_text() const { return has_text_; }
  bool has_calls() const { return !calls_.empty(); }

  // Of the call with this id, or of a tool of this name.
  void Result(const std::string& call_id, const std::string& name, const std::string& text);
  bool HasCall(const std::string& id) const { return ids_.count(id) > 0; }

 private:
  void Other(const char* role, const std::string& text);

  const RequestDefaults& defaults_;
  ApiRequest* request_;
  std::set<std::string> ids_;  // of calls
  bool open_ = false, has_text_ = false;
  std::string thinking_, text_;
  Json calls_ = Json::array();
};

}  // namespace fulgur
