// Deterministic automata over characters, from regular expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unicode/unicode.h"

namespace fulgur {

inline constexpr size_t kMaxAutomatonStates = 8192;

// Every state can reach an accepting one; state 0 is the start. An automaton without states accepts nothing.
class CharAutomaton {
 public:
  struct Edge {
    CodePointSet set;  // normalized; the sets of a state's edges are disjoint
    uint32_t target;
  };
  struct State {
    bool accepts = false;
    std::vector<Edge> edges;  // one a target
  };

  // The texts in which `pattern` matches somewhere, as JSON schema's "pattern" has it (ECMA-262): literals, ., [..],
  // \d \w \s \D \W \S, \p{..} of general categories, escapes, groups (with or without a name), |, * + ? {n} {n,}
  // {n,m}, lazy forms (same texts), ^ and $, look-ahead right after a ^ at the beginning. Throws Error naming `where`
  // and the construct for anything else (other look-around, back references, \b), and if the automaton would have more
  // than kMaxAutomatonStates states.
  static CharAutomaton FromPattern(std::string_view pattern, const std::string& where);
  // The texts of both. Throws Error naming `where` as above.
  static CharAutomaton Intersection(const CharAutomaton& a, const CharAutomaton& b, const std::string& where);
  // Texts of min to max characters, UINT32_MAX being no limit.
  static CharAutomaton Length(uint32_t min, uint32_t max, const std::string& where);

  // All texts but these.
  static CharAutomaton Except(const std::vector<std::string>& texts, const std::string& where);

  const std::vector<State>& states() const { return states_; }
  bool Accepts(std::string_view utf8) const;
  std::optional<uint32_t> LongestText() const;  // in characters; nullopt: there is no longest

 private:
  static CharAutomaton OfPlainPattern(std::string_view pattern, const std::string& where);
  CharAutomaton Complement() const;
  void Trim();
  std::vector<State> states_;
};

}  // namespace fulgur
