#include "base/records.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace fulgur {
namespace {

constexpr const char* kSpace = " \t\r\n";

// Where a text is cut: after the last blank line of its first `most` bytes, else after a line, else before a character.
size_t CutAt(std::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  const std::string_view part = text.substr(0, most);
  for (const std::string_view end : {"\n\n", "\n"}) {
    const size_t at = part.rfind(end);
    if (at != std::string_view::npos && part.find_first_not_of(kSpace) < at) {
      return std::min(text.find_first_not_of("\r\n", at), text.size());
    }
  }
  size_t cut = most;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return cut;
}

}  // namespace

Records::Records(const std::filesystem::path& path, const std::string& key) {
  for (const std::filesystem::path& file : DataFiles(path)) {
    files_.push_back(std::make_unique<DataFile>(file));
    if (files_.back()->json_lines()) {
      AddLines(files_.size() - 1, key);
    } else {
      AddTexts(files_.size() - 1, key);
    }
  }
  if (records_.empty()) throw Error("{} has no lines", path.string());
}

void Records::AddLines(size_t file, const std::string& key) {
  const std::string_view text = files_[file]->text();
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    ++number;
    if (text.substr(begin, end - begin).find_first_not_of(kSpace) != std::string_view::npos) {
      records_.push_back({file, begin, end, number});
      const size_t i = records_.size() - 1;
      const Json line = Get(i);
      if (!line.is_object() || (!key.empty() && !line.contains(key))) {
        throw Error("{}: expected an object{}", Where(i), key.empty() ? "" : fmt::format(" with \"{}\"", key));
      }
      if (key == "text" && !line[key].is_string()) {
        throw Error("{}: \"text\" must be a string, not {}", Where(i), line[key].type_name());
      }
    }
    begin = end + 1;
  }
}

void Records::AddTexts(size_t file, const std::string& key) {
  const DataFile& data = *files_[file];
  if (!key.empty() && key != "text") {
    throw Error("{} is plain text; expected JSON lines, objects with \"{}\"", data.path().string(), key);
  }
  const std::string_view text = data.text();
  size_t line = 1;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = begin + CutAt(text.substr(begin), kMostText);
    const std::string_view piece = text.substr(begin, end - begin);
    if (piece.find_first_not_of(kSpace) != std::string_view::npos) records_.push_back({file, begin, end, line});
    line += static_cast<size_t>(std::count(piece.begin(), piece.end(), '\n'));
    begin = end;
  }
}

Json Records::Get(size_t i) const {
  const Record& record = records_[i];
  const DataFile& file = *files_[record.file];
  const std::string_view text = file.text().substr(record.begin, record.end - record.begin);
  if (!file.json_lines()) return {{"text", text}};
  return ParseJson(text, Where(i));
}

std::string Records::Where(size_t i) const {
  return fmt::format("{}, line {}", files_[records_[i].file]->path().string(), records_[i].line);
}

Json FirstRecord(const std::filesystem::path& path) {
  const DataFile file(DataFiles(path).front());
  if (!file.json_lines()) return {{"text", file.text().substr(0, CutAt(file.text(), Records::kMostText))}};
  const std::string_view text = file.text();
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) throw Error("{} has no lines", file.path().string());
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(first), '\n') + 1;
  return ParseJson(text.substr(first, text.find('\n', first) - first),
                   fmt::format("{}, line {}", file.path().string(), line));
}

}  // namespace fulgur
