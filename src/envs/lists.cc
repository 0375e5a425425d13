#include "envs/lists.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "envs/answer.h"

namespace fulgur {
namespace {

constexpr auto kNames = std::to_array<std::string_view>({
    "Ann", "Bob", "Cal", "Dan", "Eve", "Fay", "Gus", "Hal", "Ivy", "Jan", "Kim", "Leo",
    "Mia", "Ned", "Ora", "Pam", "Ray", "Sue", "Tom", "Uma", "Vic", "Wes", "Zoe",
});
constexpr auto kThings = std::to_array<std::string_view>({
    "bag", "ball", "bell", "book", "box",  "cap", "coin", "comb", "cup", "doll", "drum", "fan", "flag", "fork",
    "hat", "jar",  "key",  "kite", "lamp", "map", "mug",  "net",  "pen", "pot",  "ring", "rug", "tent", "vase",
});

constexpr size_t kLongestText = 60;

}  // namespace

std::span<const std::string_view> FirstNames() { return kNames; }
std::span<const std::string_view> Things() { return kThings; }

std::vector<std::string> Sample(Rng& rng, std::span<const std::string_view> items, size_t count) {
  FULGUR_CHECK(count <= items.size(), "{} of {}", count, items.size());
  std::vector<std::string_view> left(items.begin(), items.end());
  std::vector<std::string> sample;
  for (size_t i = 0; i < count; ++i) {
    std::swap(left[i], left[i + rng.Below(left.size() - i)]);
    sample.emplace_back(left[i]);
  }
  return sample;
}

std::string Join(const std::vector<std::string>& items, std::string_view separator) {
  return fmt::format("{}", fmt::join(items, separator));
}

std::string Enumerate(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == items.size() ? " and " : ", ") + items[i];
  }
  return text;
}

int IndexOf(const std::vector<std::string>& items, std::string_view text) {
  const auto at = std::find(items.begin(), items.end(), text);
  return at == items.end() ? -1 : static_cast<int>(at - items.begin());
}

const Json& JsonList(const Json& data, const char* key, const std::string& where, size_t fewest, size_t most) {
  const auto list = data.find(key);
  if (!data.is_object() || list == data.end() || !list->is_array() || list->size() < fewest || list->size() > most) {
    throw Error("{}: \"{}\" must be a list of {} to {} entries", where, key, fewest, most);
  }
  return *list;
}

std::vector<std::string> JsonTexts(const Json& data, const char* key, const std::string& where, size_t fewest,
                                   size_t most) {
  return JsonEntry(JsonList(data, key, where, fewest, most), fmt::format("{}: \"{}\"", where, key));
}

std::vector<std::string> JsonNames(const Json& data, const char* key, const std::string& where, size_t fewest,
                                   size_t most) {
  std::vector<std::string> names = JsonTexts(data, key, where, fewest, most);
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(ToLower(name)).second) throw Error("{}: \"{}\" has {} twice", where, key, Quoted(name));
    if (AnswerWords(name).size() != 1 || AnswerWords(name)[0] != ToLower(name)) {
      throw Error("{}: \"{}\": {} is not one word", where, key, Quoted(name));
    }
  }
  return names;
}

std::vector<std::string> JsonEntry(const Json& entry, const std::string& where) {
  if (!entry.is_array()) throw Error("{}: {} is not a list", where, Quoted(entry.dump()));
  std::vector<std::string> texts;
  for (const Json& text : entry) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty() ||
        text.get_ref<const std::string&>().size() > kLongestText) {
      throw Error("{}: {} is not a text of 1 to {} bytes", where, Quoted(text.dump()), kLongestText);
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

std::vector<std::string> AnswerWords(std::string_view text, const std::vector<std::string_view>& fillers) {
  constexpr std::string_view kBetween = " \t\r\n,;:=()|&";
  std::vector<std::string> words;
  for (size_t begin = text.find_first_not_of(kBetween); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBetween, begin), text.size());
    std::string word = ToLower(text.substr(begin, end - begin));
    if (word != "and" && word != "-" && word != "->" &&
        std::find(fillers.begin(), fillers.end(), word) == fillers.end()) {
      words.push_back(std::move(word));
    }
    begin = text.find_first_not_of(kBetween, end);
  }
  return words;
}

std::vector<std::string> AnswerRows(std::string_view text) {
  constexpr std::string_view kRows = "\n;/|[]\\";
  // [12, 34] is a list of rows, unlike [1, 2], [3, 4].
  if (text.starts_with('[') && text.find_first_of("[]", 1) == text.size() - 1) text = text.substr(1, text.size() - 2);
  const bool marked = text.find_first_of(kRows) != std::string_view::npos;
  std::vector<std::string> rows(1);
  for (const char c : text) {
    const bool blank = c == ' ' || c == ',' || c == '\t' || c == '\r' || c == '&';
    if (kRows.find(c) != std::string_view::npos || (blank && !marked && c != '&')) {
      if (!rows.back().empty()) rows.emplace_back();
    } else if (!blank) {
      rows.back() += c;
    }
  }
  if (rows.back().empty()) rows.pop_back();
  return rows;
}

int ParseClock(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 1 || colon > 2 || text.size() != colon + 3) return -1;
  int hour = 0, minute = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == colon) continue;
    if (text[i] < '0' || text[i] > '9') return -1;
    int& part = i < colon ? hour : minute;
    part = part * 10 + (text[i] - '0');
  }
  return hour > 23 || minute > 59 ? -1 : hour * 60 + minute;
}

std::string ClockText(int minutes) { return fmt::format("{}:{:02}", minutes / 60, minutes % 60); }

}  // namespace fulgur
