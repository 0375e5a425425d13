// Regular expressions over whole texts, as Python's `re` has them: the rules of public benchmarks are written in it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace fulgur {

// A compiled pattern of PCRE2 with Unicode classes, "\n" as the only line break, and `^` behind every one where
// kMultiline says so. What Python's syntax and PCRE2's share means the same in both; named groups, back references to
// names and (?P=...) are not used here. Safe to use from several threads.
class Regex {
 public:
  enum Flag : unsigned { kIgnoreCase = 1, kMultiline = 2, kDotAll = 4, kExtended = 8 };

  // Error that quotes a pattern that cannot be compiled.
  explicit Regex(std::string_view pattern, unsigned flags = 0);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  struct Match {
    size_t begin, end;                                    // bytes of the text
    std::vector<std::optional<std::string_view>> groups;  // [0] all of it; nullopt for a group that took no part
    std::string_view operator[](size_t group) const { return groups[group].value_or(std::string_view()); }
  };

  // The leftmost match at or behind byte `from`. Error if the search takes more steps than any honest text does.
  std::optional<Match> Search(std::string_view text, size_t from = 0) const;
  bool Contains(std::string_view text) const { return Search(text).has_value(); }
  // All matches that do not overlap, as re.finditer.
  std::vector<Match> FindAll(std::string_view text) const;
  // As re.sub and re.split.
  std::string Replace(std::string_view text, const std::function<std::string(const Match&)>& replacement) const;
  std::string Replace(std::string_view text, std::string_view replacement) const;  // as it is, without \1
  std::vector<std::string_view> Split(std::string_view text) const;

  // The pattern that matches `literal` and nothing else.
  static std::string Quote(std::string_view literal);

 private:
  std::optional<Match> SearchFrom(std::string_view text, size_t from, unsigned options) const;
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, FreeCode> code_;
  std::string pattern_;
};

}  // namespace fulgur
