#include "eval/benchmark_file.h"

#include <fmt/format.h>

#include <utility>

#include "base/ascii.h"
#include "base/data_file.h"
#include "base/error.h"

namespace fulgur {

namespace {

std::vector<Json> ReadCsv(std::string_view text, const std::string& path) {
  std::vector<std::string> names, row;
  std::vector<Json> records;
  std::string field;
  bool quoted = false, any = false;
  const auto end_row = [&] {
    row.push_back(std::exchange(field, {}));
    any = false;
    if (row.size() == 1 && row[0].empty()) {  // a blank line
      row.clear();
      return;
    }
    if (names.empty()) {
      names = std::exchange(row, {});
      return;
    }
    if (row.size() != names.size()) {
      throw Error("{}, record {}: {} fields, but the first line names {}", path, records.size() + 1, row.size(),
                  names.size());
    }
    Json record = Json::object();
    for (size_t i = 0; i < names.size(); ++i) record[names[i]] = row[i];
    records.push_back(std::move(record));
    row.clear();
  };
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += '"';
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"' && field.empty()) {
      quoted = any = true;
    } else if (c == ',') {
      row.push_back(std::exchange(field, {}));
      any = true;
    } else if (c == '\n') {
      end_row();
    } else if (c != '\r') {
      field += c;
      any = true;
    }
  }
  if (quoted) throw Error("{}, record {}: a quoted field does not end", path, records.size() + 1);
  if (any || !field.empty()) end_row();
  return records;
}

const Json* Find(const Json& record, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (record.contains(name) && !record[name].is_null()) return &record[name];
  }
  return nullptr;
}

std::string TextOf(const Json& value, const std::string& where, const char* name) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  throw Error("{}: \"{}\" is {}, expected a text", where, name, value.type_name());
}

}  // namespace

BenchmarkFile::BenchmarkFile(const std::filesystem::path& path) : path_(path.string()) {
  const DataFile file(path);
  const std::string_view text = file.text();
  const std::string_view content = Trim(text);
  if (content.starts_with('[')) {
    Json list = ParseJson(content, path_);
    for (Json& record : list) records_.push_back(std::move(record));
  } else if (content.starts_with('{')) {
    size_t number = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = Trim(text.substr(begin, end - begin));
      ++number;
      if (!line.empty()) records_.push_back(ParseJson(line, fmt::format("{}, line {}", path_, number)));
      begin = end + 1;
    }
  } else {
    records_ = ReadCsv(text, path_);
  }
  if (records_.empty()) throw Error("{}: there is no record in it", path_);
  for (size_t i = 0; i < records_.size(); ++i) {
    if (!records_[i].is_object()) throw Error("{} is {}, expected an object", Where(i), records_[i].type_name());
  }
}

std::string BenchmarkFile::Where(size_t i) const { return fmt::format("{}, record {}", path_, i + 1); }

std::string BenchmarkFile::Text(size_t i, std::initializer_list<const char*> names) const {
  const Json* value = Find(records_[i], names);
  if (value == nullptr) throw Error("{}: there is no \"{}\"", Where(i), *names.begin());
  return TextOf(*value, Where(i), *names.begin());
}

std::string BenchmarkFile::TextOr(size_t i, std::initializer_list<const char*> names,
                                  const std::string& fallback) const {
  const Json* value = Find(records_[i], names);
  return value == nullptr ? fallback : TextOf(*value, Where(i), *names.begin());
}

std::vector<std::string> BenchmarkFile::Texts(size_t i, const char* name) const {
  const Json list = Value(i, name);
  if (!list.is_array()) throw Error("{}: \"{}\" is {}, expected a list", Where(i), name, list.type_name());
  std::vector<std::string> texts;
  for (const Json& text : list) texts.push_back(TextOf(text, Where(i), name));
  return texts;
}

Json BenchmarkFile::Value(size_t i, const char* name) const {
  const Json* value = Find(records_[i], {name});
  if (value == nullptr) throw Error("{}: there is no \"{}\"", Where(i), name);
  if (value->is_string()) return ParseJson(value->get_ref<const std::string&>(), Where(i) + ", \"" + name + "\"");
  return *value;
}

Json BenchmarkFile::Messages(size_t i, const char* name) const {
  Json messages = Value(i, name);
  const std::string where = fmt::format("{}: \"{}\"", Where(i), name);
  if (!messages.is_array() || messages.empty()) throw Error("{} is no list of messages", where);
  for (size_t m = 0; m < messages.size(); ++m) {
    const Json& message = messages[m];
    const auto is_text = [&](const char* key) { return message.contains(key) && message[key].is_string(); };
    if (!message.is_object() || !is_text("role") || !is_text("content")) {
      throw Error("{}[{}] must be an object with texts \"role\" and \"content\"", where, m);
    }
  }
  if (messages.back()["role"] != "user") throw Error("{}: the last message is not the user's", where);
  return messages;
}

}  // namespace fulgur
