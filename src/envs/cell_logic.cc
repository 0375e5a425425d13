#include "envs/cell_logic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/error.h"
#include "envs/answer.h"

namespace fulgur {
namespace {

constexpr int kSearchBudget = 4000;     // suppositions of one search for solutions
constexpr int kEnumerateBudget = 4000;  // extensions tried in one rule

int OnlyValue(uint32_t mask) { return std::countr_zero(mask); }

}  // namespace

struct CellLogic::Work {
  const Render* render;
  int most_suppositions, most_steps;
  Result result;
  std::string why;  // the last contradiction
  bool given_up = false;
  bool words() const { return static_cast<bool>(*render); }
};

CellLogic::CellLogic(std::vector<std::string> names, int low, int high)
    : names_(std::move(names)),
      low_(low),
      high_(high),
      given_(names_.size(), kUnknown),
      allowed_(names_.size(), (2u << high) - (1u << low)),
      peers_(names_.size()),
      rules_of_(names_.size()),
      excludes_(names_.size()) {
  FULGUR_CHECK(low >= 0 && high < 31 && names_.size() <= kMostCells);
}

void CellLogic::Set(int cell, int value) { given_[cell] = value; }

void CellLogic::Allow(int cell, uint32_t values) { allowed_[cell] &= values; }

void CellLogic::Link(int a, int b, uint32_t values) {
  for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    const auto found =
        std::find_if(peers_[from].begin(), peers_[from].end(), [to = to](const Peer& peer) { return peer.cell == to; });
    if (found != peers_[from].end()) {
      found->values |= values;
    } else {
      peers_[from].push_back({to, values});
    }
  }
}

void CellLogic::Exclude(int a, int b, int value) {
  Link(a, b, 1u << value);
  if (low_ == 0 && high_ == 1 && value == 1) {
    excludes_[a].set(b);
    excludes_[b].set(a);
    any_excludes_ = true;
  }
}

void CellLogic::AddUnit(std::string name, std::vector<int> cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    for (size_t j = 0; j < i; ++j) Link(cells[i], cells[j], ~0u);
  }
  if (static_cast<int>(cells.size()) == high_ - low_ + 1) units_.push_back({std::move(name), std::move(cells)});
}

void CellLogic::AddRule(std::string name, std::vector<int> cells, bool line, Fits fits) {
  for (const int cell : cells) rules_of_[cell].push_back(static_cast<int>(rules_.size()));
  rules_.push_back({std::move(name), std::move(cells), line, std::move(fits), {}});
  Rule& rule = rules_.back();
  rule.earlier.resize(rule.cells.size());
  for (size_t i = 0; i < rule.cells.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      for (const Peer& peer : peers_[rule.cells[i]]) {
        if (peer.cell == rule.cells[j]) rule.earlier[i].emplace_back(static_cast<int>(j), peer.values);
      }
    }
  }
}

std::string CellLogic::Text(const std::vector<int>& values) const {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0 && high_ > 9) text += ',';
    text += values[i] == kUnknown ? "?" : std::to_string(values[i]);
  }
  return text;
}

std::string CellLogic::MaskText(uint32_t mask) const {
  std::vector<int> values;
  for (int value = low_; value <= high_; ++value) {
    if (mask >> value & 1) values.push_back(value);
  }
  return Text(values);
}

// False if the value is not left for the cell, or if a peer has nothing left.
bool CellLogic::Put(State* state, int cell, int value) const {
  if (state->values[cell] != kUnknown) return state->values[cell] == value;
  if ((state->left[cell] >> value & 1) == 0) return false;
  state->values[cell] = value;
  state->left[cell] = 1u << value;
  --state->unknown;
  for (const int rule : rules_of_[cell]) state->ways[rule].fresh = false;
  bool possible = true;
  for (const Peer& peer : peers_[cell]) {
    const uint32_t gone = peer.values & (1u << value) & state->left[peer.cell];
    if (gone == 0) continue;
    state->left[peer.cell] &= ~gone;
    possible = possible && state->left[peer.cell] != 0;
    for (const int rule : rules_of_[peer.cell]) state->ways[rule].fresh = false;
  }
  return possible;
}

CellLogic::State CellLogic::Start() const {
  State state;
  state.values.assign(names_.size(), kUnknown);
  state.left = allowed_;
  state.unknown = static_cast<int>(names_.size());
  state.ways.resize(rules_.size());
  return state;
}

void CellLogic::Enumerate(const State& state, const Rule& rule, bool keep, Ways* ways) const {
  *ways = {};
  ways->fresh = true;
  const size_t size = rule.cells.size();
  ways->seen.assign(size, 0);
  std::vector<int> values(size);
  std::vector<uint32_t> left(size);
  int budget = kEnumerateBudget;
  const auto choices = [&](size_t place) {
    uint32_t mask = state.left[rule.cells[place]];
    for (const auto& [before, shared] : rule.earlier[place]) mask &= ~(shared & (1u << values[before]));
    return mask;
  };
  if (size == 0) return;
  size_t place = 0;
  left[0] = choices(0);
  for (;;) {
    if (left[place] == 0) {
      if (place == 0) return;
      --place;
      continue;
    }
    if (--budget == 0 || ways->count > kMostWays) {
      ways->overflow = true;
      return;
    }
    values[place] = OnlyValue(left[place]);
    left[place] &= left[place] - 1;
    if (!rule.fits(std::span<const int>(values.data(), place + 1))) continue;
    if (place + 1 < size) {
      ++place;
      left[place] = choices(place);
      continue;
    }
    ++ways->count;
    for (size_t i = 0; i < size; ++i) ways->seen[i] |= 1u << values[i];
    if (any_excludes_) {
      CellSet excluded;
      for (size_t i = 0; i < size; ++i) {
        if (values[i] == 1) excluded |= excludes_[rule.cells[i]];
      }
      ways->excluded = ways->count == 1 ? excluded : ways->excluded & excluded;
    }
    if (keep) ways->fillings.push_back(values);
  }
}

// Whether the ways decide a cell that is not known yet.
bool CellLogic::Brings(const State& state, const Rule& rule, const Ways& ways) const {
  for (size_t place = 0; place < rule.cells.size(); ++place) {
    if (state.values[rule.cells[place]] == kUnknown && std::has_single_bit(ways.seen[place])) return true;
  }
  for (size_t cell = 0; any_excludes_ && cell < names_.size(); ++cell) {
    if (ways.excluded[cell] && state.values[cell] == kUnknown) return true;
  }
  return false;
}

// One step of kinds 1 to 3; false if there is none, or a contradiction.
bool CellLogic::Deduce(State* state, Work* work, bool* contradiction) const {
  *contradiction = false;
  const int cells = static_cast<int>(names_.size());
  Result& result = work->result;
  std::string text;

  std::vector<std::pair<int, int>> single;
  for (int cell = 0; cell < cells; ++cell) {
    if (state->values[cell] != kUnknown) continue;
    if (state->left[cell] == 0) {
      work->why = names_[cell] + " has nothing left";
      *contradiction = true;
      return false;
    }
    if (std::has_single_bit(state->left[cell])) single.emplace_back(cell, OnlyValue(state->left[cell]));
  }
  const auto put = [&](int cell, int value) {
    if (!Put(state, cell, value) && !*contradiction) {
      work->why = names_[cell] + " has no place for " + std::to_string(value);
      for (const Peer& peer : peers_[cell]) {
        if (state->left[peer.cell] == 0) work->why = names_[peer.cell] + " has nothing left";
      }
      *contradiction = true;
    }
  };
  const auto end = [&] {
    ++result.steps;
    if (work->words()) result.text += text + "\n" + (*work->render)(state->values) + "\n";
    return !*contradiction;
  };

  if (!single.empty()) {
    if (work->words() && high_ == low_ + 1) {
      for (int value = low_; value <= high_; ++value) {
        bool first = true;
        for (const auto& [cell, only] : single) {
          if (only != value) continue;
          if (first) text += fmt::format("{}{}", text.empty() ? "" : ", ", value);
          text += " " + names_[cell];
          first = false;
        }
      }
    }
    for (const auto& [cell, value] : single) {
      if (work->words() && high_ > low_ + 1) {
        text += fmt::format("{}{} not {} so {}", text.empty() ? "" : ", ", names_[cell],
                            MaskText(allowed_[cell] & ~(1u << value)), value);
      }
      put(cell, value);
      // Two of them may exclude each other; the rest of the list is then no longer true.
      if (*contradiction) break;
    }
    return end();
  }

  for (const Unit& unit : units_) {
    for (int value = low_; value <= high_; ++value) {
      int place = -1, places = 0;
      for (const int cell : unit.cells) {
        if (state->left[cell] >> value & 1) {
          ++places;
          place = cell;
        }
      }
      if (places == 0) {
        work->why = fmt::format("{} has no place for {}", unit.name, value);
        *contradiction = true;
        return false;
      }
      if (places == 1 && state->values[place] == kUnknown) {
        if (work->words()) text = fmt::format("{} {} only {}", unit.name, value, names_[place]);
        put(place, value);
        return end();
      }
    }
  }

  int best = -1;
  for (int i = 0; i < static_cast<int>(rules_.size()); ++i) {
    Ways& ways = state->ways[i];
    if (!ways.fresh) Enumerate(*state, rules_[i], false, &ways);
    if (ways.overflow || rules_[i].cells.empty()) continue;
    if (ways.count == 0) {
      work->why = rules_[i].name + " cannot be";
      *contradiction = true;
      return false;
    }
    if ((best < 0 || ways.count < state->ways[best].count) && Brings(*state, rules_[i], ways)) best = i;
  }
  if (best < 0) return false;
  const auto apply = [&](const Rule& rule) {
    Ways ways;
    Enumerate(*state, rule, work->words(), &ways);
    if (ways.count == 0) {
      work->why = rule.name + " cannot be";
      *contradiction = true;
      return;
    }
    std::vector<int> shown;  // places
    for (size_t place = 0; place < rule.cells.size(); ++place) {
      if (rule.line || state->values[rule.cells[place]] == kUnknown) shown.push_back(static_cast<int>(place));
    }
    if (work->words()) {
      text += (text.empty() ? "" : "\n") + rule.name;
      if (!rule.line) {
        for (const int place : shown) text += (place == shown[0] ? ": " : " ") + names_[rule.cells[place]];
      }
      text += rule.line ? ":" : shown.size() == 1 ? " is" : " are";
      std::vector<std::string> fillings;
      for (const std::vector<int>& filling : ways.fillings) {
        std::vector<int> part;
        for (const int place : shown) part.push_back(filling[place]);
        fillings.push_back(Text(part));
      }
      text += fmt::format(" {}", fmt::join(fillings, " "));
      if (ways.count > 1) {
        std::vector<int> agreed;
        for (const int place : shown) {
          agreed.push_back(std::has_single_bit(ways.seen[place]) ? OnlyValue(ways.seen[place]) : kUnknown);
        }
        text += " so " + Text(agreed);
      }
    }
    std::vector<int> excluded;
    for (int cell = 0; any_excludes_ && ways.count > 1 && cell < cells; ++cell) {
      const bool inside = std::find(rule.cells.begin(), rule.cells.end(), cell) != rule.cells.end();
      if (!inside && ways.excluded[cell] && state->values[cell] == kUnknown) excluded.push_back(cell);
    }
    if (work->words() && !excluded.empty()) {
      text += " and 0";
      for (const int cell : excluded) text += " " + names_[cell];
    }
    for (const int cell : excluded) put(cell, 0);
    for (const int place : shown) {
      if (std::has_single_bit(ways.seen[place]) && state->values[rule.cells[place]] == kUnknown) {
        put(rule.cells[place], OnlyValue(ways.seen[place]));
      }
    }
  };
  const bool one_way = state->ways[best].count == 1;
  apply(rules_[best]);
  // Rules with one way are independent of each other: all of them are one step.
  for (int i = best + 1; i < static_cast<int>(rules_.size()) && one_way && !*contradiction; ++i) {
    const Ways& ways = state->ways[i];
    if (!ways.overflow && ways.count == 1 && !rules_[i].cells.empty() && Brings(*state, rules_[i], ways)) {
      apply(rules_[i]);
    }
  }
  return end();
}

// All steps of kinds 1 to 3, in the order that is fastest; false on a contradiction.
bool CellLogic::Propagate(State* state) const {
  const int cells = static_cast<int>(names_.size());
  for (bool more = true; more && state->unknown > 0;) {
    more = false;
    for (int cell = 0; cell < cells; ++cell) {
      if (state->values[cell] != kUnknown) continue;
      if (state->left[cell] == 0) return false;
      if (!std::has_single_bit(state->left[cell])) continue;
      if (!Put(state, cell, OnlyValue(state->left[cell]))) return false;
      more = true;
    }
    for (const Unit& unit : units_) {
      uint32_t once = 0, twice = 0;
      for (const int cell : unit.cells) {
        twice |= once & state->left[cell];
        once |= state->left[cell];
      }
      if (once != (2u << high_) - (1u << low_)) return false;
      once &= ~twice;
      for (const int cell : unit.cells) {
        const uint32_t here = once & state->left[cell];
        if (here == 0 || state->values[cell] != kUnknown) continue;
        if (!std::has_single_bit(here) || !Put(state, cell, OnlyValue(here))) return false;
        more = true;
      }
    }
    if (more) continue;
    for (int i = 0; i < static_cast<int>(rules_.size()); ++i) {
      Ways& ways = state->ways[i];
      const Rule& rule = rules_[i];
      if (ways.fresh || rule.cells.empty()) continue;
      Enumerate(*state, rule, false, &ways);
      if (ways.overflow) continue;
      if (ways.count == 0) return false;
      for (size_t place = 0; place < rule.cells.size(); ++place) {
        const int cell = rule.cells[place];
        if (state->values[cell] != kUnknown || !std::has_single_bit(ways.seen[place])) continue;
        if (!Put(state, cell, OnlyValue(ways.seen[place]))) return false;
        more = true;
      }
      for (int cell = 0; any_excludes_ && cell < cells; ++cell) {
        if (!ways.excluded[cell] || state->values[cell] != kUnknown) continue;
        if (!Put(state, cell, 0)) return false;
        more = true;
      }
    }
  }
  // All cells are known; the rules that were not looked at again decide.
  for (int i = 0; i < static_cast<int>(rules_.size()) && state->unknown == 0; ++i) {
    Ways& ways = state->ways[i];
    if (!ways.fresh) Enumerate(*state, rules_[i], false, &ways);
    if (!ways.overflow && ways.count == 0 && !rules_[i].cells.empty()) return false;
  }
  return true;
}

// True if solved; false on a contradiction, of which work->why tells, or if given up.
bool CellLogic::Run(State* state, Work* work) const {
  while (state->unknown > 0) {
    if (work->result.steps >= work->most_steps) {
      work->given_up = true;
      return false;
    }
    bool contradiction = false;
    if (Deduce(state, work, &contradiction)) continue;
    if (contradiction) return false;
    int cell = -1;
    for (int i = 0; i < static_cast<int>(names_.size()); ++i) {
      if (state->values[i] != kUnknown) continue;
      if (cell < 0 || std::popcount(state->left[i]) < std::popcount(state->left[cell])) cell = i;
    }
    // Of two values the larger first: a mark tells more than its absence.
    const bool two = high_ == low_ + 1;
    for (uint32_t left = state->left[cell]; left != 0;) {
      if (++work->result.suppositions > work->most_suppositions) {
        work->given_up = true;
        return false;
      }
      State supposed = *state;
      const int value = two ? static_cast<int>(std::bit_width(left)) - 1 : OnlyValue(left);
      left &= ~(1u << value);
      if (work->words()) work->result.text += fmt::format("suppose {} {}\n", names_[cell], value);
      bool possible = Put(&supposed, cell, value);
      if (!possible) work->why = "peers have nothing left";
      if (possible) {
        if (work->words()) work->result.text += (*work->render)(supposed.values) + "\n";
        possible = Run(&supposed, work);
      }
      if (possible) {
        *state = std::move(supposed);
        return true;
      }
      if (work->given_up) return false;
      if (work->words()) {
        work->result.text +=
            fmt::format("{}, so {} not {}\n{}\n", work->why, names_[cell], value, (*work->render)(state->values));
      }
    }
    work->why = names_[cell] + " has nothing left";
    return false;
  }
  for (int i = 0; i < static_cast<int>(rules_.size()); ++i) {
    Ways& ways = state->ways[i];
    if (!ways.fresh) Enumerate(*state, rules_[i], false, &ways);
    if (!ways.overflow && ways.count == 0 && !rules_[i].cells.empty()) {
      work->why = rules_[i].name + " cannot be";
      return false;
    }
  }
  return true;
}

CellLogic::Result CellLogic::Solve(const Render& render, int most_suppositions, int most_steps) const {
  Work work;
  work.render = &render;
  work.most_suppositions = most_suppositions;
  work.most_steps = most_steps;
  State state = Start();
  bool possible = true;
  for (size_t cell = 0; cell < names_.size(); ++cell) {
    if (given_[cell] != kUnknown) possible = Put(&state, static_cast<int>(cell), given_[cell]) && possible;
  }
  work.result.solved = possible && Run(&state, &work);
  work.result.values = state.values;
  return work.result;
}

void CellLogic::Search(State state, int limit, int* budget, std::vector<std::vector<int>>* found) const {
  if (!Propagate(&state)) return;
  if (state.unknown == 0) {
    found->push_back(state.values);
    return;
  }
  int cell = -1;
  for (int i = 0; i < static_cast<int>(names_.size()); ++i) {
    if (state.values[i] != kUnknown) continue;
    if (cell < 0 || std::popcount(state.left[i]) < std::popcount(state.left[cell])) cell = i;
  }
  for (uint32_t left = state.left[cell]; left != 0; left &= left - 1) {
    if (--*budget <= 0 || static_cast<int>(found->size()) >= limit) return;
    State supposed = state;
    if (Put(&supposed, cell, OnlyValue(left))) Search(std::move(supposed), limit, budget, found);
  }
}

std::vector<std::vector<int>> CellLogic::Solutions(int limit) const {
  State state = Start();
  for (size_t cell = 0; cell < names_.size(); ++cell) {
    if (given_[cell] != kUnknown && !Put(&state, static_cast<int>(cell), given_[cell])) return {};
  }
  std::vector<std::vector<int>> found;
  int budget = kSearchBudget;
  Search(std::move(state), limit, &budget, &found);
  if (budget <= 0) found.clear();
  return found;
}

std::vector<int> CellLogic::Forced() const {
  State state = Start();
  for (size_t cell = 0; cell < names_.size(); ++cell) {
    if (given_[cell] != kUnknown && !Put(&state, static_cast<int>(cell), given_[cell])) return {};
  }
  if (!Propagate(&state) || state.unknown > 0) return {};
  return state.values;
}

bool CellLogic::ForcedWithin(const Render& render, size_t most_characters) const {
  if (Forced().empty()) return false;
  if (most_characters == 0) return true;
  const Result result = Solve(render, 0);
  return result.solved && result.text.size() <= most_characters;
}

bool CellLogic::UniqueWithin(const Render& render, size_t most_characters) const {
  if (CountSolutions(2) != 1) return false;
  const Result result = Solve(most_characters == 0 ? nullptr : render, 30);
  return result.solved && (most_characters == 0 || result.text.size() <= most_characters);
}

int CellLogic::CountSolutions(int limit) const { return static_cast<int>(Solutions(limit).size()); }

Solution WorkedSolution(const CellLogic& logic, const CellLogic::Render& render, const CellLogic::Render& answer,
                        const std::string& where) {
  const CellLogic::Result result = logic.Solve(render);
  if (!result.solved) throw Error("{}: no solution was found", where);
  const size_t end = result.text.find_last_not_of('\n');
  return {end == std::string::npos ? "nothing is left to fill in" : result.text.substr(0, end + 1),
          BoxedAnswer(answer(result.values))};
}

}  // namespace fulgur
