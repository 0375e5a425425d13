#include "base/json_lines.h"

#include <string_view>

namespace fulgur {

JsonLines::JsonLines(const std::filesystem::path& path, const std::string& key) : file_(path) {
  const std::string_view text(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size());
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    ++number;
    if (text.substr(begin, end - begin).find_first_not_of(" \t\r") != std::string_view::npos) {
      lines_.push_back({begin, end, number});
      const Json line = Get(lines_.size() - 1);
      if (!line.is_object() || (!key.empty() && !line.contains(key))) {
        throw Error("{}, line {}: expected an object{}", path.string(), number,
                    key.empty() ? "" : fmt::format(" with \"{}\"", key));
      }
      if (key == "text" && !line[key].is_string()) {
        throw Error("{}, line {}: \"text\" must be a string, not {}", path.string(), number, line[key].type_name());
      }
    }
    begin = end + 1;
  }
  if (lines_.empty()) throw Error("{} has no lines", path.string());
}

Json JsonLines::Get(size_t i) const {
  const Line& line = lines_[i];
  const char* text = reinterpret_cast<const char*>(file_.bytes().data());
  return ParseJson({text + line.begin, line.end - line.begin}, Where(i));
}

std::string JsonLines::Where(size_t i) const {
  return fmt::format("{}, line {}", file_.path().string(), lines_[i].number);
}

}  // namespace fulgur
