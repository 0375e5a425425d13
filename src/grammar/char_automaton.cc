#include "grammar/char_automaton.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "base/error.h"

namespace fulgur {

namespace {

constexpr size_t kMaxNfaStates = 50'000;
constexpr size_t kMaxWork = 20'000'000;   // steps of the construction
constexpr size_t kMaxRanges = 1'000'000;  // of all edges together
constexpr uint32_t kMaxPatternRepeat = 10'000;
constexpr int kMaxPatternDepth = 100;

CodePointSet Range(char32_t begin, char32_t end) {
  CodePointSet set;
  set.Add(begin, end);
  return set;
}

CodePointSet Without(const CodePointSet& set) {
  CodePointSet complement = set;
  complement.Add(0xd800, 0xe000);
  complement.Normalize();
  return complement.Complement();
}

CodePointSet Intersect(const CodePointSet& a, const CodePointSet& b) {
  CodePointSet both;
  auto i = a.ranges().begin(), j = b.ranges().begin();
  while (i != a.ranges().end() && j != b.ranges().end()) {
    const char32_t begin = std::max(i->first, j->first), end = std::min(i->second, j->second);
    if (begin < end) both.Add(begin, end);
    i->second < j->second ? ++i : ++j;
  }
  both.Normalize();
  return both;
}

// Thompson's construction (1968). A state has one set of characters with a target, or steps without a character, some
// of which may be taken at the beginning or the end of the text only.
struct Nfa {
  enum class When : uint8_t { kAlways, kAtBegin, kAtEnd };
  struct Step {
    uint32_t target;
    When when;
  };
  struct State {
    int32_t set = -1;  // in `sets`
    uint32_t target = 0;
    std::vector<Step> steps = {};
  };
  std::vector<State> states;
  std::vector<CodePointSet> sets;
  std::map<std::vector<std::pair<char32_t, char32_t>>, int32_t> known;
};

class PatternParser {
 public:
  PatternParser(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {
    size_t at = 0;
    while (at < pattern.size()) {
      const Utf8Step step = DecodeUtf8(pattern.substr(at));
      if (step.kind != Utf8Step::kCharacter) Fail("it is not valid UTF-8");
      text_.push_back(step.code_point);
      at += step.length;
    }
  }

  // The texts that have a match; start and accepting state.
  Nfa Parse(uint32_t* start, uint32_t* accept) {
    *accept = NewState();
    nfa_.states[*accept].set = Set(Without({}));
    nfa_.states[*accept].target = *accept;
    const Part whole = Alternatives(0);
    if (at_ < text_.size()) Fail("a ')' that nothing opens");
    Connect(whole.end, *accept);
    const uint32_t skip = NewState(), begin = NewState(), later = NewState();
    nfa_.states[skip].set = nfa_.states[*accept].set;
    nfa_.states[skip].target = later;
    Connect(later, skip);
    Connect(later, whole.begin);
    Connect(begin, whole.begin);
    Connect(begin, skip);
    *start = begin;
    return std::move(nfa_);
  }

 private:
  struct Part {
    uint32_t begin, end;
  };

  [[noreturn]] void Fail(const std::string& what) const {
    throw Error("{}: the pattern {} cannot be used: {}", where_, Json(pattern_), what);
  }

  static std::string Json(std::string_view text) { return "\"" + std::string(text) + "\""; }

  bool Done() const { return at_ >= text_.size(); }
  char32_t Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : U'\0'; }
  bool Take(char32_t c) {
    if (Done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  uint32_t NewState() {
    if (nfa_.states.size() >= kMaxNfaStates) Fail("it is too large");
    nfa_.states.emplace_back();
    return static_cast<uint32_t>(nfa_.states.size() - 1);
  }
  void Connect(uint32_t from, uint32_t to, Nfa::When when = Nfa::When::kAlways) {
    nfa_.states[from].steps.push_back({to, when});
  }
  int32_t Set(const CodePointSet& set) {
    const auto [entry, is_new] = nfa_.known.try_emplace(set.ranges(), static_cast<int32_t>(nfa_.sets.size()));
    if (is_new) nfa_.sets.push_back(set);
    return entry->second;
  }
  Part OfSet(const CodePointSet& set) {
    const uint32_t begin = NewState(), end = NewState();
    nfa_.states[begin].set = Set(Intersect(set, Without({})));
    nfa_.states[begin].target = end;
    return {begin, end};
  }
  Part Empty() {
    const uint32_t state = NewState();
    return {state, state};
  }

  Part Alternatives(int depth) {
    if (depth > kMaxPatternDepth) Fail("groups are nested too deep");
    const uint32_t begin = NewState(), end = NewState();
    do {
      const Part part = Terms(depth);
      Connect(begin, part.begin);
      Connect(part.end, end);
    } while (Take('|'));
    return {begin, end};
  }

  Part Terms(int depth) {
    Part all = Empty();
    while (!Done() && Peek() != '|' && Peek() != ')') {
      const Part part = Term(depth);
      Connect(all.end, part.begin);
      all.end = part.end;
    }
    return all;
  }

  Part Term(int depth) {
    if (Peek() == '^' || Peek() == '$') {
      const bool begins = text_[at_++] == '^';
      const uint32_t begin = NewState(), end = NewState();
      Connect(begin, end, begins ? Nfa::When::kAtBegin : Nfa::When::kAtEnd);
      if (!Done() && (Peek() == '*' || Peek() == '+' || Peek() == '?' || Peek() == '{')) {
        Fail("nothing can be repeated after ^ or $");
      }
      return {begin, end};
    }
    const size_t from = at_;
    const Part part = Atom(depth);
    const size_t to = at_;
    uint32_t min = 1, max = 1;
    if (!Quantifier(&min, &max)) return part;
    // The atom is read again for every round it needs.
    const size_t after = at_;
    const auto again = [&] {
      at_ = from;
      const Part copy = Atom(depth);
      FULGUR_CHECK(at_ == to);
      return copy;
    };
    Part all = Empty();
    const auto append = [&](Part next) {
      Connect(all.end, next.begin);
      all.end = next.end;
    };
    bool used = false;
    const auto round = [&] { return std::exchange(used, true) ? again() : part; };
    for (uint32_t i = 0; i < min; ++i) append(round());
    if (max == UINT32_MAX) {
      const Part body = round();
      const uint32_t loop = NewState(), end = NewState();
      Connect(loop, body.begin);
      Connect(body.end, loop);
      Connect(loop, end);
      append({loop, end});
    } else {
      const uint32_t end = NewState();
      for (uint32_t i = min; i < max; ++i) {
        Connect(all.end, end);
        append(round());
      }
      append({end, end});
    }
    at_ = after;
    return all;
  }

  bool Quantifier(uint32_t* min, uint32_t* max) {
    if (Take('*')) {
      *min = 0, *max = UINT32_MAX;
    } else if (Take('+')) {
      *max = UINT32_MAX;
    } else if (Take('?')) {
      *min = 0;
    } else if (!Done() && Peek() == '{') {
      ++at_;
      *min = Number();
      *max = *min;
      if (Take(',')) *max = Peek() == '}' ? UINT32_MAX : Number();
      if (!Take('}')) Fail("'{' needs numbers and '}'; for the character itself write \\{");
      if (*max < *min) Fail("a repetition whose upper limit is below its lower one");
    } else {
      return false;
    }
    Take('?');  // the shortest or the longest match: the same texts
    if (!Done() && (Peek() == '*' || Peek() == '+' || Peek() == '{')) Fail("a repetition of a repetition");
    return true;
  }

  uint32_t Number() {
    uint32_t value = 0;
    const size_t from = at_;
    while (Peek() >= '0' && Peek() <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kMaxPatternRepeat) Fail(fmt::format("more than {} repetitions", kMaxPatternRepeat));
    }
    if (at_ == from) Fail("'{' needs numbers and '}'; for the character itself write \\{");
    return value;
  }

  Part Atom(int depth) {
    const char32_t c = text_[at_++];
    switch (c) {
      case '(': {
        if (Take('?')) {
          if (Take('<') && Peek() != '=' && Peek() != '!') {
            while (!Done() && Peek() != '>') ++at_;
            ++at_;
          } else if (!Take(':')) {
            Fail("\"(?\" is only supported as \"(?:\", with a name, and as look-ahead after a ^ at the beginning");
          }
        }
        const Part part = Alternatives(depth + 1);
        if (!Take(')')) Fail("a '(' that nothing closes");
        return part;
      }
      case '.': {
        CodePointSet ends;
        for (const char32_t end : {U'\n', U'\r', U'\u2028', U'\u2029'}) ends.Add(end, end + 1);
        return OfSet(Without(ends));
      }
      case '[':
        return OfSet(Class());
      case '\\':
        return OfSet(Escape(/*in_class=*/false));
      case '*':
      case '+':
      case '?':
      case '{':
        Fail(fmt::format("nothing to repeat before '{}'", static_cast<char>(c)));
      default:
        return OfSet(Range(c, c + 1));
    }
  }

  CodePointSet Class() {
    const bool complement = Take('^');
    CodePointSet set;
    while (!Take(']')) {
      if (Done()) Fail("a '[' that nothing closes");
      const CodePointSet first = ClassAtom();
      if (Peek() == '-' && Peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        const CodePointSet last = ClassAtom();
        const auto single = [](const CodePointSet& s) {
          return s.ranges().size() == 1 && s.ranges()[0].second == s.ranges()[0].first + 1;
        };
        if (!single(first) || !single(last) || first.ranges()[0].first > last.ranges()[0].first) {
          Fail("a range in [ ] that does not go from a character to a later one");
        }
        set.Add(first.ranges()[0].first, last.ranges()[0].second);
      } else {
        set.Add(first);
      }
    }
    set.Normalize();
    return complement ? Without(set) : set;
  }

  CodePointSet ClassAtom() {
    const char32_t c = text_[at_++];
    return c == '\\' ? Escape(/*in_class=*/true) : Range(c, c + 1);
  }

  char32_t Hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char32_t c = Peek();
      const int digit = c >= '0' && c <= '9'   ? static_cast<int>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<int>(c - 'a' + 10)
                        : c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A' + 10)
                                               : -1;
      if (Done() || digit < 0) Fail("an escape that needs hexadecimal digits");
      value = value * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    return value;
  }

  char32_t UnicodeEscape() {
    if (Take('{')) {
      char32_t value = 0;
      while (!Take('}')) {
        value = value * 16 + Hex(1);
        if (value >= kCodePoints) Fail("\\u{..} beyond U+10FFFF");
      }
      return value;
    }
    const char32_t value = Hex(4);
    if (value >= 0xd800 && value < 0xdc00 && Peek() == '\\' && Peek(1) == 'u') {
      at_ += 2;
      const char32_t low = Hex(4);
      if (low >= 0xdc00 && low < 0xe000) return 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
      Fail("half of a surrogate pair");
    }
    if (value >= 0xd800 && value < 0xe000) Fail("half of a surrogate pair");
    return value;
  }

  CodePointSet Escape(bool in_class) {
    if (Done()) Fail("a '\\' at the end");
    const char32_t c = text_[at_++];
    const auto one = [](char32_t code) { return Range(code, code + 1); };
    switch (c) {
      case 'd':
        return Range('0', '9' + 1);
      case 'D':
        return Without(Range('0', '9' + 1));
      case 'w':
      case 'W': {
        CodePointSet word = Range('0', '9' + 1);
        word.Add('A', 'Z' + 1);
        word.Add('a', 'z' + 1);
        word.Add('_', '_' + 1);
        word.Normalize();
        return c == 'w' ? word : Without(word);
      }
      case 's':
      case 'S': {
        CodePointSet space = CodePointSet::WhiteSpace();  // ECMA-262: not U+0085, but U+FEFF
        space = Intersect(space, Without(one(0x85)));
        space.Add(0xfeff, 0xff00);
        space.Normalize();
        return c == 's' ? space : Without(space);
      }
      case 'p':
      case 'P': {
        std::string name;
        if (!Take('{')) Fail("\\p needs a category in { }");
        while (!Done() && Peek() != '}') name += static_cast<char>(std::min<char32_t>(text_[at_++], 0x7f));
        Take('}');
        const std::optional<CodePointSet> set = CodePointSet::OfCategory(name);
        if (!set) Fail(fmt::format("\\p{{{}}} is not a general category", name));
        return c == 'p' ? *set : Without(*set);
      }
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'v':
        return one('\v');
      case 'f':
        return one('\f');
      case 'r':
        return one('\r');
      case '0':
        if (Peek() >= '0' && Peek() <= '9') Fail("octal escapes are not supported");
        return one(0);
      case 'x':
        return one(Hex(2));
      case 'u':
        return one(UnicodeEscape());
      case 'b':
        if (in_class) return one('\b');
        break;
      default:
        if (c >= 0x80 || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) return one(c);
    }
    Fail(fmt::format("\\{} is not supported", static_cast<char>(c)));
  }

  std::string pattern_;
  const std::string& where_;
  std::u32string text_;
  size_t at_ = 0;
  Nfa nfa_;
};

// Ranges of code points that the sets do not tell apart: a class for each such part.
struct Alphabet {
  std::vector<CodePointSet> classes;
  std::vector<std::vector<uint32_t>> of_set;  // classes that a set consists of
};

Alphabet MakeAlphabet(const std::vector<CodePointSet>& sets, const std::string& where) {
  std::vector<char32_t> bounds = {0, kCodePoints};
  for (const CodePointSet& set : sets) {
    for (const auto& [begin, end] : set.ranges()) {
      bounds.push_back(begin);
      bounds.push_back(end);
    }
  }
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  if (bounds.size() * sets.size() > kMaxWork) throw Error("{}: the pattern is too complex", where);
  std::vector<std::vector<uint32_t>> members(bounds.size() - 1);  // sets that have the part from bounds[i] on
  for (uint32_t s = 0; s < sets.size(); ++s) {
    for (const auto& [begin, end] : sets[s].ranges()) {
      size_t i = static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), begin) - bounds.begin());
      for (; bounds[i] < end; ++i) members[i].push_back(s);
    }
  }
  Alphabet alphabet;
  alphabet.of_set.resize(sets.size());
  std::map<std::vector<uint32_t>, uint32_t> known;
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    if (members[i].empty()) continue;
    const auto [entry, is_new] = known.try_emplace(members[i], static_cast<uint32_t>(alphabet.classes.size()));
    if (is_new) {
      alphabet.classes.emplace_back();
      for (const uint32_t s : members[i]) alphabet.of_set[s].push_back(entry->second);
    }
    alphabet.classes[entry->second].Add(bounds[i], bounds[i + 1]);
  }
  for (CodePointSet& set : alphabet.classes) set.Normalize();
  return alphabet;
}

// A state's edges, one a target, from (set, target) pairs.
std::vector<CharAutomaton::Edge> Merge(const std::map<uint32_t, CodePointSet>& by_target, size_t* ranges,
                                       const std::string& where) {
  std::vector<CharAutomaton::Edge> edges;
  for (const auto& [target, set] : by_target) {
    edges.push_back({set, target});
    edges.back().set.Normalize();
    *ranges += edges.back().set.ranges().size();
  }
  if (*ranges > kMaxRanges) throw Error("{}: the pattern is too complex", where);
  return edges;
}

// Calls f(index, depth of groups) for the characters of a pattern that are neither escaped nor in [ ], until it is
// true.
template <typename F>
size_t FindSyntax(std::string_view pattern, const F& f) {
  int depth = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
      continue;
    }
    if (pattern[i] == '[') {
      for (++i; i < pattern.size() && pattern[i] != ']'; ++i) i += pattern[i] == '\\';
      continue;
    }
    if (pattern[i] == '(') ++depth;
    if (pattern[i] == ')') --depth;
    if (f(i, depth)) return i;
  }
  return std::string_view::npos;
}

// The ')' of the group that the pattern begins with.
size_t GroupEnd(std::string_view pattern) {
  return FindSyntax(pattern, [](size_t, int depth) { return depth == 0; });
}

bool HasAlternatives(std::string_view pattern) {
  return FindSyntax(pattern, [&](size_t i, int depth) { return depth == 0 && pattern[i] == '|'; }) !=
         std::string_view::npos;
}

[[noreturn]] void TooManyStates(const std::string& where) {
  throw Error("{}: too complex, it would need more than {} states", where, kMaxAutomatonStates);
}

}  // namespace

CharAutomaton CharAutomaton::FromPattern(std::string_view pattern, const std::string& where) {
  // Conditions about the whole text are automata of their own, and what has to hold together is an intersection.
  std::string_view rest = pattern;
  std::vector<std::pair<std::string_view, bool>> conditions;
  if (rest.substr(0, 1) == "^") {
    rest.remove_prefix(1);
    while (rest.substr(0, 3) == "(?=" || rest.substr(0, 3) == "(?!") {
      const size_t end = GroupEnd(rest);
      if (end == std::string_view::npos) break;
      conditions.emplace_back(rest.substr(3, end - 3), rest[2] == '=');
      rest.remove_prefix(end + 1);
    }
  }
  if (conditions.empty() || HasAlternatives(rest)) return OfPlainPattern(pattern, where);
  CharAutomaton all = OfPlainPattern("^" + std::string(rest), where);
  for (const auto& [condition, holds] : conditions) {
    const CharAutomaton ahead = OfPlainPattern("^(?:" + std::string(condition) + ")", where);
    all = Intersection(all, holds ? ahead : ahead.Complement(), where);
  }
  return all;
}

// All other texts.
CharAutomaton CharAutomaton::Complement() const {
  CharAutomaton others;
  const auto outside = static_cast<uint32_t>(states_.size());
  for (const State& state : states_) {
    CodePointSet inside;
    for (const Edge& edge : state.edges) inside.Add(edge.set);
    const CodePointSet missing = Without(inside);
    others.states_.push_back({!state.accepts, state.edges});
    if (!missing.empty()) others.states_.back().edges.push_back({missing, outside});
  }
  others.states_.push_back({true, {{Without({}), outside}}});
  others.Trim();
  return others;
}

CharAutomaton CharAutomaton::OfPlainPattern(std::string_view pattern, const std::string& where) {
  uint32_t start, accept;
  const Nfa nfa = PatternParser(pattern, where).Parse(&start, &accept);
  const Alphabet alphabet = MakeAlphabet(nfa.sets, where);
  size_t work = 0;
  const auto count_work = [&](size_t n) {
    work += n;
    if (work > kMaxWork) throw Error("{}: the pattern is too complex", where);
  };

  std::vector<uint32_t> mark(nfa.states.size(), 0);
  uint32_t round = 0;
  // All states reached from *set without a character, ascending.
  const auto close = [&](std::vector<uint32_t>* set, bool at_begin, bool at_end) {
    ++round;
    for (const uint32_t s : *set) mark[s] = round;
    for (size_t i = 0; i < set->size(); ++i) {
      const Nfa::State& state = nfa.states[(*set)[i]];
      count_work(1 + state.steps.size());
      for (const Nfa::Step& step : state.steps) {
        if (step.when == Nfa::When::kAtBegin && !at_begin) continue;
        if (step.when == Nfa::When::kAtEnd && !at_end) continue;
        if (std::exchange(mark[step.target], round) != round) set->push_back(step.target);
      }
    }
    std::sort(set->begin(), set->end());
  };
  const auto accepts = [&](std::vector<uint32_t> set, bool at_begin) {
    close(&set, at_begin, /*at_end=*/true);
    return std::binary_search(set.begin(), set.end(), accept);
  };

  CharAutomaton automaton;
  std::map<std::vector<uint32_t>, uint32_t> known;
  std::vector<std::vector<uint32_t>> sets;
  std::vector<uint32_t> first = {start};
  close(&first, /*at_begin=*/true, /*at_end=*/false);
  // The start is a state of its own: only there ^ holds.
  sets.push_back(first);
  automaton.states_.push_back({accepts(first, true), {}});
  std::vector<std::vector<uint32_t>> targets(alphabet.classes.size());
  size_t ranges = 0;
  for (size_t i = 0; i < sets.size(); ++i) {
    const std::vector<uint32_t> from = sets[i];
    for (const uint32_t s : from) {
      const Nfa::State& state = nfa.states[s];
      if (state.set < 0) continue;
      const std::vector<uint32_t>& classes = alphabet.of_set[static_cast<size_t>(state.set)];
      count_work(classes.size());
      for (const uint32_t c : classes) targets[c].push_back(state.target);
    }
    std::map<uint32_t, CodePointSet> by_target;
    for (size_t c = 0; c < targets.size(); ++c) {
      if (targets[c].empty()) continue;
      std::vector<uint32_t> to = std::exchange(targets[c], {});
      std::sort(to.begin(), to.end());
      to.erase(std::unique(to.begin(), to.end()), to.end());
      close(&to, /*at_begin=*/false, /*at_end=*/false);
      const auto [entry, is_new] = known.try_emplace(to, static_cast<uint32_t>(sets.size()));
      if (is_new) {
        if (sets.size() >= kMaxAutomatonStates) TooManyStates(where + ": the pattern");
        automaton.states_.push_back({accepts(to, false), {}});
        sets.push_back(std::move(to));
      }
      by_target[entry->second].Add(alphabet.classes[c]);
    }
    automaton.states_[i].edges = Merge(by_target, &ranges, where);
  }
  automaton.Trim();
  return automaton;
}

CharAutomaton CharAutomaton::Intersection(const CharAutomaton& a, const CharAutomaton& b, const std::string& where) {
  CharAutomaton both;
  if (a.states_.empty() || b.states_.empty()) return both;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> known = {{{0, 0}, 0}};
  std::vector<std::pair<uint32_t, uint32_t>> pairs = {{0, 0}};
  size_t ranges = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const State& x = a.states_[pairs[i].first];
    const State& y = b.states_[pairs[i].second];
    std::map<uint32_t, CodePointSet> by_target;
    for (const Edge& e : x.edges) {
      for (const Edge& f : y.edges) {
        const CodePointSet set = Intersect(e.set, f.set);
        if (set.empty()) continue;
        const auto [entry, is_new] = known.try_emplace({e.target, f.target}, static_cast<uint32_t>(pairs.size()));
        if (is_new) {
          if (pairs.size() >= kMaxAutomatonStates) TooManyStates(where);
          pairs.push_back({e.target, f.target});
        }
        by_target[entry->second].Add(set);
      }
    }
    both.states_.push_back({x.accepts && y.accepts, Merge(by_target, &ranges, where)});
  }
  both.Trim();
  return both;
}

CharAutomaton CharAutomaton::Length(uint32_t min, uint32_t max, const std::string& where) {
  const bool bounded = max != UINT32_MAX;
  const uint32_t last = bounded ? max : min;
  if (last >= kMaxAutomatonStates) TooManyStates(where);
  CharAutomaton automaton;
  const CodePointSet any = Without({});
  for (uint32_t i = 0; i <= last; ++i) {
    State state{i >= min, {}};
    if (i < last) {
      state.edges.push_back({any, i + 1});
    } else if (!bounded) {
      state.edges.push_back({any, i});
    }
    automaton.states_.push_back(std::move(state));
  }
  return automaton;
}

CharAutomaton CharAutomaton::Except(const std::vector<std::string>& texts, const std::string& where) {
  // A tree of the texts' characters; whatever leaves it is accepted. State 1: outside.
  struct Node {
    std::map<char32_t, uint32_t> next;
    bool is_text = false;
  };
  std::vector<Node> nodes(2);
  for (std::string_view text : texts) {
    uint32_t at = 0;
    while (!text.empty()) {
      const Utf8Step step = DecodeUtf8(text);
      if (step.kind != Utf8Step::kCharacter) throw Error("{}: a name is not valid UTF-8", where);
      text.remove_prefix(step.length);
      const auto [entry, is_new] = nodes[at].next.try_emplace(step.code_point, static_cast<uint32_t>(nodes.size()));
      at = entry->second;
      if (is_new) nodes.emplace_back();
      if (nodes.size() > kMaxAutomatonStates) TooManyStates(where);
    }
    nodes[at].is_text = true;
  }
  CharAutomaton automaton;
  for (const Node& node : nodes) {
    CodePointSet inside;
    std::map<uint32_t, CodePointSet> by_target;
    for (const auto& [c, target] : node.next) {
      inside.Add(c, c + 1);
      by_target[target].Add(c, c + 1);
    }
    by_target[1] = Without(inside);
    size_t ranges = 0;
    automaton.states_.push_back({!node.is_text, Merge(by_target, &ranges, where)});
  }
  return automaton;
}

// Leaves out states that cannot come to an accepting one. The start stays the first.
void CharAutomaton::Trim() {
  std::vector<std::vector<uint32_t>> from(states_.size());
  std::vector<uint32_t> todo;
  std::vector<uint8_t> useful(states_.size(), 0);
  for (uint32_t i = 0; i < states_.size(); ++i) {
    for (const Edge& edge : states_[i].edges) from[edge.target].push_back(i);
    if (states_[i].accepts) {
      useful[i] = 1;
      todo.push_back(i);
    }
  }
  while (!todo.empty()) {
    const uint32_t done = todo.back();
    todo.pop_back();
    for (const uint32_t i : from[done]) {
      if (!std::exchange(useful[i], 1)) todo.push_back(i);
    }
  }
  if (states_.empty() || !useful[0]) {
    states_.clear();
    return;
  }
  std::vector<uint32_t> index(states_.size(), 0);
  uint32_t kept = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    index[i] = kept;
    kept += useful[i];
  }
  std::vector<State> states;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!useful[i]) continue;
    State state{states_[i].accepts, {}};
    for (Edge& edge : states_[i].edges) {
      if (useful[edge.target]) state.edges.push_back({std::move(edge.set), index[edge.target]});
    }
    states.push_back(std::move(state));
  }
  states_ = std::move(states);
}

std::optional<uint32_t> CharAutomaton::LongestText() const {
  // Depth first; every state leads to an accepting one, so a cycle means texts without limit.
  std::vector<uint32_t> longest(states_.size(), 0);
  std::vector<uint8_t> phase(states_.size(), 0);  // 1: on the path, 2: known
  std::vector<std::pair<uint32_t, size_t>> path;
  if (!states_.empty()) path.emplace_back(0, 0);
  while (!path.empty()) {
    auto& [state, next] = path.back();
    phase[state] = 1;
    if (next < states_[state].edges.size()) {
      const uint32_t target = states_[state].edges[next++].target;
      if (phase[target] == 1) return std::nullopt;
      if (phase[target] == 0) path.emplace_back(target, 0);
      continue;
    }
    for (const Edge& edge : states_[state].edges) longest[state] = std::max(longest[state], longest[edge.target] + 1);
    phase[state] = 2;
    path.pop_back();
  }
  return states_.empty() ? 0 : longest[0];
}

bool CharAutomaton::Accepts(std::string_view utf8) const {
  if (states_.empty()) return false;
  const State* state = &states_[0];
  while (!utf8.empty()) {
    const Utf8Step step = DecodeUtf8(utf8);
    if (step.kind != Utf8Step::kCharacter) return false;
    utf8.remove_prefix(step.length);
    const auto edge = std::find_if(state->edges.begin(), state->edges.end(),
                                   [&](const Edge& e) { return e.set.Contains(step.code_point); });
    if (edge == state->edges.end()) return false;
    state = &states_[edge->target];
  }
  return state->accepts;
}

}  // namespace fulgur
