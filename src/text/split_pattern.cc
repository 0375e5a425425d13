#include "text/split_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "unicode/unicode.h"

namespace fulgur {

#define FULGUR_O200K(digits)                                                                                             \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"        \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)" digits \
  R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
const char kO200kPattern[] = FULGUR_O200K(R"(\p{N}{1,3})");
const char kO200kSingleDigitsPattern[] = FULGUR_O200K(R"(\p{N})");
#undef FULGUR_O200K
const char kGpt2Pattern[] = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

constexpr size_t kMaxPatternBytes = 16384;
constexpr char32_t kLongS = 0x17F, kKelvin = 0x212A;  // the two characters beyond ASCII that fold to ASCII letters

bool IsAsciiLetter(char32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool IsAsciiDigit(char32_t c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char32_t c) { return IsAsciiDigit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
bool HasNonAscii(const CodePointSet& set) { return !set.empty() && set.ranges().back().second > 0x80; }

// Reads a pattern in Oniguruma's syntax and writes it for PCRE2, with all sets of code points, and all case folding,
// spelled out as sets of bytes.
class Rewriter {
 public:
  Rewriter(std::string_view regex, const std::string& where) : where_(where) {
    if (regex.size() > kMaxPatternBytes) Fail("is longer than {} bytes", kMaxPatternBytes);
    while (!regex.empty()) {
      const Utf8Step step = DecodeUtf8(regex);
      if (step.kind != Utf8Step::kCharacter) Fail("is not valid UTF-8");
      in_.push_back(step.code_point);
      regex.remove_prefix(step.length);
    }
    ReadPattern();
    Classify();
  }

  std::vector<uint8_t> TakeClasses() { return std::move(class_of_); }

  std::string Write() const {
    std::string out;
    for (const Item& item : items_) out += item.set < 0 ? item.text : WriteSet(item.set);
    return out;
  }

 private:
  struct Item {
    int set;  // of sets_, or -1: `text` as it is
    std::string text;
  };
  struct Escape {
    bool is_set = false;
    char32_t character = 0;
    CodePointSet set;
  };

  template <typename... Args>
  [[noreturn]] void Fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error("{}: the splitting pattern {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void Unsupported(size_t begin, const char* instead) const {
    std::string construct;
    for (size_t i = begin; i < std::min(in_.size(), begin + 8); ++i) {
      construct +=
          in_[i] < 0x80 ? std::string(1, static_cast<char>(in_[i])) : fmt::format("\\x{{{:X}}}", uint32_t{in_[i]});
    }
    Fail("has at character {} \"{}\", which is not supported{}", begin, construct, instead);
  }

  bool At(char32_t c) const { return pos_ < in_.size() && in_[pos_] == c; }
  bool Next(std::string_view ascii) const {
    if (in_.size() - pos_ < ascii.size()) return false;
    return std::equal(ascii.begin(), ascii.end(), in_.begin() + static_cast<std::ptrdiff_t>(pos_),
                      [](char a, char32_t b) { return static_cast<char32_t>(a) == b; });
  }
  bool Take(std::string_view ascii) {
    if (!Next(ascii)) return false;
    pos_ += ascii.size();
    return true;
  }

  void Emit(std::string text) { items_.push_back({-1, std::move(text)}); }
  void EmitSet(CodePointSet set) {
    set.Normalize();
    const auto it = std::find(sets_.begin(), sets_.end(), set);
    items_.push_back({static_cast<int>(it - sets_.begin()), {}});
    if (it == sets_.end()) sets_.push_back(std::move(set));
  }
  void EmitCharacter(char32_t c) {
    if (c < 0x80 && !(ignore_case_.back() && IsAsciiLetter(c))) {
      Emit(fmt::format("\\x{:02x}", uint32_t{c}));
      return;
    }
    CodePointSet set;
    set.Add(c, c + 1);
    if (ignore_case_.back()) FoldCase(&set);
    EmitSet(std::move(set));
  }

  // Adds what differs from a member by case only.
  void FoldCase(CodePointSet* set) const {
    set->Normalize();
    const CodePointSet given = *set;
    for (char32_t c = 'a'; c <= 'z'; ++c) {
      const char32_t upper = c - 0x20;
      const char32_t third = c == 's' ? kLongS : c == 'k' ? kKelvin : c;
      if (!given.Contains(c) && !given.Contains(upper) && !given.Contains(third)) continue;
      for (const char32_t member : {c, upper, third}) set->Add(member, member + 1);
    }
    set->Normalize();
    if (!HasNonAscii(given)) return;
    static const std::vector<char32_t> kCased = [] {
      std::vector<char32_t> cased;
      for (const char* category : {"Lu", "Ll", "Lt"}) {
        const CodePointSet set = *CodePointSet::OfCategory(category);
        for (const auto& [begin, end] : set.ranges()) {
          for (char32_t c = std::max<char32_t>(begin, 0x80); c < end; ++c) {
            if (c != kLongS && c != kKelvin) cased.push_back(c);
          }
        }
      }
      return cased;
    }();
    const auto count = std::count_if(kCased.begin(), kCased.end(), [&](char32_t c) { return given.Contains(c); });
    if (count > 0 && static_cast<size_t>(count) < kCased.size()) {
      Fail("ignores the case of letters beyond ASCII, which is not supported");
    }
  }

  void ReadPattern() {
    bool repeatable = false;  // is there something a quantifier could stand behind
    while (pos_ < in_.size()) {
      const size_t begin = pos_;
      const char32_t c = in_[pos_++];
      if (c == '(') {
        ReadGroup(begin);
        repeatable = false;
      } else if (c == ')') {
        if (ignore_case_.size() == 1) Fail("has a \")\" too many at character {}", begin);
        ignore_case_.pop_back();
        Emit(")");
        repeatable = true;
      } else if (c == '|' || c == '^' || c == '$') {
        Emit(std::string(1, static_cast<char>(c)));
        repeatable = false;
      } else if (c == '*' || c == '+' || c == '?') {
        if (!repeatable) Unsupported(begin, " where there is nothing to repeat");
        std::string quantifier(1, static_cast<char>(c));
        if (At('+') || At('?')) quantifier += static_cast<char>(in_[pos_++]);
        Emit(quantifier);
        repeatable = false;
      } else if (c == '{' && ReadInterval(begin, repeatable)) {
        repeatable = false;
      } else {
        ReadAtom(c, begin);
        repeatable = true;
      }
    }
    if (ignore_case_.size() > 1) Fail("has a \"(\" that is not closed");
  }

  void ReadGroup(size_t begin) {
    bool ignore_case = ignore_case_.back();
    if (!At('?')) {
      Emit("(?:");  // nothing refers to captures
    } else if (Take("?i)") || Take("?-i)")) {
      // Further in, libraries disagree on how far the flag reaches.
      const bool at_start = items_.empty() || (begin > 0 && (items_.back().text == "(?:"));
      if (!at_start) Unsupported(begin, "; write (?i:...)");
      ignore_case_.back() = in_[pos_ - 3] == '?';
      return;
    } else if (Take("?i:")) {
      ignore_case = true;
      Emit("(?:");
    } else if (Take("?-i:")) {
      ignore_case = false;
      Emit("(?:");
    } else {
      const char* known = nullptr;
      for (const char* group : {"?:", "?=", "?!", "?<=", "?<!", "?>"}) {
        if (Take(group)) {
          known = group;
          break;
        }
      }
      if (known == nullptr) Unsupported(begin, "");
      Emit(std::string("(") + known);
    }
    ignore_case_.push_back(ignore_case);
  }

  // "{n}", "{n,}", "{n,m}" or "{,m}", behind its "{". Anything else makes the brace an ordinary character.
  bool ReadInterval(size_t begin, bool repeatable) {
    const auto number = [&](size_t* i) {
      std::string digits;
      while (*i < in_.size() && IsAsciiDigit(in_[*i])) digits += static_cast<char>(in_[(*i)++]);
      return digits;
    };
    size_t i = pos_;
    const std::string low = number(&i);
    std::string high = low;
    const bool comma = i < in_.size() && in_[i] == ',';
    if (comma) {
      ++i;
      high = number(&i);
    }
    if (i >= in_.size() || in_[i] != '}' || (low.empty() && high.empty())) return false;
    if (!repeatable) Unsupported(begin, " where there is nothing to repeat");
    pos_ = i + 1;
    std::string text = "{" + (low.empty() ? "0" : low) + (comma ? "," : "") + (comma ? high : "") + "}";
    if (At('+')) Unsupported(begin, "; write (?>...) for a possessive interval");
    if (At('?')) {
      if (!comma) Unsupported(begin, "");
      ++pos_;
      text += '?';
    }
    Emit(text);
    return true;
  }

  void ReadAtom(char32_t c, size_t begin) {
    if (c == '.') {
      CodePointSet set;
      set.Add('\n', '\n' + 1);
      EmitSet(set.Complement());
    } else if (c == '[') {
      ReadClass(begin);
    } else if (c == '\\') {
      if (Take("A")) return Emit("\\A");
      if (Take("z")) return Emit("\\z");
      Escape escape = ReadEscape();
      if (!escape.is_set) return EmitCharacter(escape.character);
      if (ignore_case_.back()) FoldCase(&escape.set);
      EmitSet(std::move(escape.set));
    } else {
      EmitCharacter(c);
    }
  }

  void ReadClass(size_t begin) {
    const bool negated = Take("^");
    if (At(']')) Unsupported(begin, "; write \\]");
    CodePointSet set;
    for (;;) {
      if (pos_ >= in_.size()) Fail("has a \"[\" that is not closed");
      if (Take("]")) break;
      if (Next("[") || Next("&&")) Unsupported(pos_, " inside a class");
      const size_t member_begin = pos_;
      Escape low = ReadClassMember();
      if (At('-') && !(pos_ + 1 < in_.size() && in_[pos_ + 1] == ']')) {
        if (low.is_set) Unsupported(member_begin, "; write \\-");
        ++pos_;
        if (Next("[") || Next("&&")) Unsupported(pos_, " inside a class");
        if (pos_ >= in_.size()) Fail("has a \"[\" that is not closed");
        const Escape high = ReadClassMember();
        if (high.is_set || high.character < low.character) Fail("has an empty range at character {}", member_begin);
        set.Add(low.character, high.character + 1);
      } else if (low.is_set) {
        set.Add(low.set);
      } else {
        set.Add(low.character, low.character + 1);
      }
    }
    set.Normalize();
    if (ignore_case_.back()) FoldCase(&set);
    EmitSet(negated ? set.Complement() : std::move(set));
  }

  Escape ReadClassMember() {
    const char32_t c = in_[pos_++];
    if (c == '\\') return ReadEscape();
    return {.is_set = false, .character = c, .set = {}};
  }

  // Behind a backslash.
  Escape ReadEscape() {
    const size_t begin = pos_ - 1;
    if (pos_ >= in_.size()) Fail("ends in a backslash");
    const char32_t c = in_[pos_++];
    const auto character = [](char32_t value) { return Escape{.is_set = false, .character = value, .set = {}}; };
    const auto set = [](const CodePointSet& value, bool negated) {
      return Escape{.is_set = true, .character = 0, .set = negated ? value.Complement() : value};
    };
    switch (c) {
      case 'n':
        return character('\n');
      case 'r':
        return character('\r');
      case 't':
        return character('\t');
      case 'f':
        return character('\f');
      case 'v':
        return character('\v');
      case 's':
      case 'S':
        return set(CodePointSet::WhiteSpace(), c == 'S');
      case 'd':
      case 'D':
        return set(*CodePointSet::OfCategory("Nd"), c == 'D');
      case 'p':
      case 'P': {
        if (!Take("{")) Unsupported(begin, "; write \\p{..}");
        bool negated = c == 'P';
        if (Take("^")) negated = !negated;
        std::string name;
        while (pos_ < in_.size() && in_[pos_] < 0x80 && in_[pos_] != '}') name += static_cast<char>(in_[pos_++]);
        if (!Take("}")) Unsupported(begin, "");
        const std::optional<CodePointSet> category = CodePointSet::OfCategory(name);
        if (!category) Fail("has at character {} the property \"{}\"; known are the general categories", begin, name);
        return set(*category, negated);
      }
      case 'x':
      case 'u': {
        const bool braces = c == 'x' && Take("{");
        const size_t digits = c == 'u' ? 4 : braces ? 8 : 2;
        uint64_t value = 0;
        size_t count = 0;
        for (; count < digits && pos_ < in_.size() && IsHexDigit(in_[pos_]); ++count, ++pos_) {
          value = value * 16 + (IsAsciiDigit(in_[pos_]) ? in_[pos_] - '0' : (in_[pos_] | 0x20) - 'a' + 10);
        }
        if (count == 0 || (c == 'u' && count < 4) || (braces && !Take("}")) || value >= kCodePoints ||
            (!braces && c == 'x' && value >= 0x80)) {
          Unsupported(begin, "");
        }
        return character(static_cast<char32_t>(value));
      }
      default:
        // A letter or digit may mean anything; what is none of these means itself.
        if (c >= 0x80 || IsAsciiLetter(c) || IsAsciiDigit(c)) Unsupported(begin, "");
        return character(c);
    }
  }

  // Gives every class of code points beyond ASCII its byte.
  void Classify() {
    std::vector<char32_t> borders = {0x80, kCodePoints};
    std::vector<size_t> wide;  // the sets with members beyond ASCII
    for (size_t i = 0; i < sets_.size(); ++i) {
      if (!HasNonAscii(sets_[i])) continue;
      wide.push_back(i);
      for (const auto& [begin, end] : sets_[i].ranges()) {
        for (const char32_t border : {begin, end}) {
          if (border > 0x80) borders.push_back(border);
        }
      }
    }
    if (wide.size() > 64) Fail("names more than 64 different sets of characters");
    std::sort(borders.begin(), borders.end());
    borders.erase(std::unique(borders.begin(), borders.end()), borders.end());

    class_of_.resize(kCodePoints);
    for (char32_t c = 0; c < 0x80; ++c) class_of_[c] = static_cast<uint8_t>(c);
    members_.resize(sets_.size());
    std::map<uint64_t, uint8_t> class_of_signature;
    std::vector<size_t> next(wide.size(), 0);  // of each wide set, the first range that ends behind the border
    for (size_t b = 0; b + 1 < borders.size(); ++b) {
      uint64_t signature = 0;
      for (size_t i = 0; i < wide.size(); ++i) {
        const auto& ranges = sets_[wide[i]].ranges();
        while (next[i] < ranges.size() && ranges[next[i]].second <= borders[b]) ++next[i];
        if (next[i] < ranges.size() && ranges[next[i]].first <= borders[b]) signature |= uint64_t{1} << i;
      }
      const auto [it, is_new] =
          class_of_signature.emplace(signature, static_cast<uint8_t>(0x80 + class_of_signature.size()));
      if (is_new) {
        if (class_of_signature.size() > 128) Fail("tells more than 128 classes of characters apart");
        for (size_t i = 0; i < wide.size(); ++i) {
          if (signature >> i & 1) members_[wide[i]].push_back(it->second);
        }
      }
      std::fill(class_of_.begin() + borders[b], class_of_.begin() + borders[b + 1], it->second);
    }
  }

  std::string WriteSet(int index) const {
    std::array<bool, 256> in = {};
    for (char32_t c = 0; c < 0x80; ++c) in[c] = sets_[static_cast<size_t>(index)].Contains(c);
    for (const uint8_t byte : members_[static_cast<size_t>(index)]) in[byte] = true;
    std::string out;
    for (size_t i = 0; i < 256; ++i) {
      if (!in[i]) continue;
      size_t last = i;
      while (last + 1 < 256 && in[last + 1]) ++last;
      out += fmt::format("\\x{:02x}", i);
      if (last > i) out += fmt::format("-\\x{:02x}", last);
      i = last;
    }
    return out.empty() ? "(?!)" : "[" + out + "]";
  }

  const std::string& where_;
  std::u32string in_;
  size_t pos_ = 0;
  std::vector<bool> ignore_case_ = {false};  // of the groups that are open
  std::vector<Item> items_;
  std::vector<CodePointSet> sets_;             // different ones
  std::vector<std::vector<uint8_t>> members_;  // of each set, its bytes from 0x80 on
  std::vector<uint8_t> class_of_;
};

}  // namespace

struct SplitPattern::Scratch::Impl {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(64 << 10, 16 << 20, nullptr);
  std::string classes;

  Impl() {
    if (data == nullptr || context == nullptr) throw std::bad_alloc();
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);  // without: PCRE2's own, smaller one
  }
  ~Impl() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

SplitPattern::Scratch::Scratch() : impl_(std::make_unique<Impl>()) {}
SplitPattern::Scratch::~Scratch() = default;

void SplitPattern::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

SplitPattern::SplitPattern(std::string_view regex, const std::string& where) : where_(where) {
  Rewriter rewriter(regex, where);
  const std::string pattern = rewriter.Write();
  class_of_ = rewriter.TakeClasses();
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Oniguruma's ^ and $ are those of lines.
  code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                            PCRE2_MULTILINE | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &error, &offset, context.get()));
  if (code_ == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    throw Error("{}: the splitting pattern is not a regular expression: {}", where,
                reinterpret_cast<const char*>(message));
  }
  // Where code cannot be generated at run time, matching is interpreted: slower, same result.
  pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
}

std::string SplitPattern::Quote(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    if (static_cast<uint8_t>(c) < 0x80) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

void SplitPattern::Split(std::string_view text, Scratch* scratch, std::vector<Piece>* pieces) const {
  if (text.size() > UINT32_MAX) throw Error("a text of {} bytes is too long to split; the limit is 4 GB", text.size());
  Scratch::Impl& s = *scratch->impl_;
  s.classes.resize(text.size());
  size_t n = 0;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x80) {
      s.classes[n++] = text[i++];
      continue;
    }
    const Utf8Step step = DecodeUtf8(text.substr(i));
    FULGUR_CHECK(step.kind == Utf8Step::kCharacter, "SplitPattern::Split takes valid UTF-8");
    s.classes[n++] = static_cast<char>(class_of_[step.code_point]);
    i += step.length;
  }
  s.classes.resize(n);

  // Positions in `classes` are characters; byte positions follow them, always forward.
  size_t character = 0, byte = 0;
  const auto byte_at = [&](size_t wanted) {
    if (n == text.size()) return wanted;
    for (; character < wanted; ++character) {
      ++byte;
      while (byte < text.size() && (static_cast<uint8_t>(text[byte]) & 0xC0) == 0x80) ++byte;
    }
    return byte;
  };
  size_t done = 0;  // bytes
  const auto add = [&](size_t end, bool match) {
    if (end > done) pieces->push_back({static_cast<uint32_t>(done), static_cast<uint32_t>(end), match});
    done = end;
  };

  const auto* subject = reinterpret_cast<PCRE2_SPTR>(s.classes.data());
  const PCRE2_SIZE* ovector = pcre2_get_ovector_pointer(s.data);
  // Long runs take a few steps a character (when interpreted; generated code counts fewer); more is endless
  // backtracking.
  pcre2_set_match_limit(s.context, static_cast<uint32_t>(std::min<uint64_t>(UINT32_MAX, 1'000'000 + uint64_t{16} * n)));
  size_t last_end = SIZE_MAX;
  for (size_t pos = 0; pos < n;) {
    const int rc = pcre2_match(code_.get(), subject, n, pos, 0, s.data, s.context);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      PCRE2_UCHAR message[256] = {};
      pcre2_get_error_message(rc, message, sizeof(message));
      throw Error("{}: the splitting pattern cannot be matched against this text: {}", where_,
                  reinterpret_cast<const char*>(message));
    }
    const size_t begin = ovector[0], end = ovector[1];
    if (begin == end) {
      // An empty match cuts the text where it stands, unless it only says again where the last match ended.
      if (end != last_end) add(byte_at(end), false);
      pos = end + 1;
    } else {
      add(byte_at(begin), false);
      add(byte_at(end), true);
      pos = end;
    }
    last_end = end;
  }
  add(text.size(), false);
}

}  // namespace fulgur
