#include "unicode/unicode.h"

#include <algorithm>
#include <cstring>

namespace fulgur {

void CodePointSet::Normalize() {
  if (!std::is_sorted(ranges_.begin(), ranges_.end())) std::sort(ranges_.begin(), ranges_.end());
  size_t kept = 0;
  for (const auto& range : ranges_) {
    if (range.first >= range.second) continue;
    if (kept > 0 && range.first <= ranges_[kept - 1].second) {
      ranges_[kept - 1].second = std::max(ranges_[kept - 1].second, range.second);
    } else {
      ranges_[kept++] = range;
    }
  }
  ranges_.resize(kept);
}

CodePointSet CodePointSet::Complement() const {
  CodePointSet result;
  char32_t begin = 0;
  for (const auto& range : ranges_) {
    if (begin < range.first) result.Add(begin, range.first);
    begin = range.second;
  }
  if (begin < kCodePoints) result.Add(begin, kCodePoints);
  return result;
}

bool CodePointSet::Contains(char32_t c) const {
  const auto it = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                   [](char32_t value, const auto& range) { return value < range.first; });
  return it != ranges_.begin() && c < std::prev(it)->second;
}

std::optional<CodePointSet> CodePointSet::OfCategory(std::string_view name) {
  static constexpr std::string_view kNames = "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCsCoCn";
  uint32_t wanted = 0;  // bit: Category
  for (size_t i = 0; i < kNames.size() / 2; ++i) {
    const std::string_view category = kNames.substr(2 * i, 2);
    if (name == "Any" || name == category || (name.size() == 1 && name[0] == category[0])) wanted |= uint32_t{1} << i;
  }
  if (wanted == 0) return std::nullopt;
  CodePointSet result;
  for (size_t i = 0; i < kCategoryRuns.size(); ++i) {
    if ((wanted >> (kCategoryRuns[i] & 31) & 1) == 0) continue;
    result.Add(kCategoryRuns[i] >> 5, i + 1 < kCategoryRuns.size() ? kCategoryRuns[i + 1] >> 5 : kCodePoints);
  }
  result.Normalize();
  return result;
}

const CodePointSet& CodePointSet::WhiteSpace() {
  static const CodePointSet set = [] {
    CodePointSet s;
    s.Add(0x09, 0x0E);
    for (const char32_t c : {0x20, 0x85, 0xA0, 0x1680, 0x202F, 0x205F, 0x3000}) s.Add(c, c + 1);
    s.Add(0x2000, 0x200B);
    s.Add(0x2028, 0x202A);
    s.Normalize();
    return s;
  }();
  return set;
}

void DrainUtf8(std::string* bytes, bool final, std::string* text) {
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    const size_t valid = ValidUtf8Prefix(rest);
    text->append(rest.substr(0, valid));
    rest.remove_prefix(valid);
    if (rest.empty()) break;
    const Utf8Step step = DecodeUtf8(rest);
    // An encoded surrogate is invalid from its second byte on, but the reference (Python's incremental decoder) waits
    // for the third, so that a handler could still take it whole.
    const bool surrogate = rest.size() == 2 && rest[0] == '\xED' && (static_cast<uint8_t>(rest[1]) & 0xC0) == 0x80;
    if ((step.kind == Utf8Step::kIncomplete || surrogate) && !final) break;
    text->append("\xEF\xBF\xBD");
    rest.remove_prefix(step.length);
  }
  bytes->erase(0, bytes->size() - rest.size());
}

}  // namespace fulgur
