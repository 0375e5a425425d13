// Chat messages to prompt text and ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace fulgur {

class ChatTemplate {
 public:
  // From tokenizer_config.json's chat_template in `dir` (or chat_template.jinja beside it).
  static ChatTemplate FromFolder(const std::filesystem::path& dir);
  static ChatTemplate FromSource(std::string source, const Json& special_tokens, const std::string& where);

  enum class Mode {
    kOfficial,  // the template exactly, messages passed as they are: string contents fail as they do upstream
    kServing,   // string contents become parts, assistant tool_calls become <tool_calls> text, tool results get their
                // name
  };

  // messages: OpenAI-style array. tools: array or null. Throws Error as the template does. A call's function has
  // "arguments", an object or its JSON text; or, for what is no JSON object, "written", which becomes part of the
  // prompt as it is.
  std::string Render(const Json& messages, const Json& tools, bool add_generation_prompt, Mode mode) const;

  // Render(kServing), then ids, in which only the template's own text can produce special tokens: whatever comes from
  // messages or tools is encoded as plain text.
  std::vector<int32_t> Encode(const Tokenizer& tokenizer, const Json& messages, const Json& tools,
                              bool add_generation_prompt) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace fulgur
