#include "eval/prompt_file.h"

#include "base/error.h"
#include "base/file.h"

namespace fulgur {

PromptFile::PromptFile(std::string_view text, const std::string& where) : text_(text) {
  constexpr std::string_view kDivider = "\n---\n";
  if (text.ends_with('\n')) text.remove_suffix(1);
  const size_t head = text.find(kDivider);
  const std::string_view about = text.substr(0, head);
  if (head == std::string_view::npos || !about.starts_with("origin: ") ||
      about.find("\nlicence: ") == std::string_view::npos) {
    throw Error("{}: a prompt begins with lines \"origin: ...\" and \"licence: ...\" and a line \"---\"", where);
  }
  text.remove_prefix(head + kDivider.size());
  while (true) {
    const size_t end = text.find(kDivider);
    const std::string_view part = text.substr(0, end);
    const std::string_view role = part.substr(0, part.find(": "));
    if (role != "system" && role != "user") {
      throw Error("{}: a part of the prompt begins with neither \"system: \" nor \"user: \"", where);
    }
    parts_.emplace_back(role, part.substr(role.size() + 2));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + kDivider.size());
  }
  if (parts_.back().first != "user") throw Error("{}: the last part of the prompt must be the user's", where);
}

PromptFile PromptFile::FromFile(const std::filesystem::path& path) { return {ReadFile(path), path.string()}; }

PromptFile PromptFile::BuiltIn(const std::string& name) {
  const auto found = BuiltInPrompts().find(name);
  FULGUR_CHECK(found != BuiltInPrompts().end(), "no prompt {}", name);
  return {found->second, name};
}

Json PromptFile::Messages(const std::map<std::string, std::string>& fields) const {
  Json messages = Json::array();
  for (const auto& [role, text] : parts_) {
    std::string content;
    for (size_t i = 0; i < text.size();) {
      const size_t open = text.find('{', i);
      content += text.substr(i, open - i);
      if (open == std::string::npos) break;
      const size_t close = text.find('}', open);
      const auto field =
          close == std::string::npos ? fields.end() : fields.find(text.substr(open + 1, close - open - 1));
      if (field == fields.end()) {
        content += '{';
        i = open + 1;
      } else {
        content += field->second;
        i = close + 1;
      }
    }
    messages.push_back({{"role", role}, {"content", content}});
  }
  return messages;
}

}  // namespace fulgur
