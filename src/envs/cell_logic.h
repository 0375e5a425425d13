// Puzzles over cells that each take one of a few values: deduction step by step, in words; and the count of solutions.
//
// What is known is always the values so far, nothing else, so a step can be followed from what is written. Steps, the
// first that brings something:
// 1. Every cell for which only one value is left beside those of its peers: "b2 not 124 so 3", or, if there are only
//    two values,
//    "0 a1 a2".
// 2. In a unit (a row that has every value once), the only place for a value: "row a 4 only a3".
// 3. A rule whose cells can be filled in few ways: "row b 21: 1101 1011 so 1??1". If there are only two values, cells
//    that every way excludes follow too: "A: b1 b2 are 10 01 so ?? and 0 a1 a2".
//    The rule with the fewest ways is taken, the first of several;
//    of rules with one way only all are.
// 4. Nothing: a supposition about the cell with the fewest values, "suppose b2 1", which is taken back if it ends in a
//    contradiction.
// Without step 4 a solution is the only one: every step is forced.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "envs/task.h"

namespace fulgur {

class CellLogic {
 public:
  static constexpr int kUnknown = -1;
  static constexpr int kMostWays = 40;  // a rule that can be filled in more ways says nothing
  static constexpr int kMostCells = 144;

  // Whether the values of a rule's first cells, in its order, may go on to fulfil it; if all are there, whether they
  // do.
  using Fits = std::function<bool(std::span<const int> values)>;

  // Every cell takes a value from low to high (0 <= low, high < 32). `names` are for the words.
  CellLogic(std::vector<std::string> names, int low, int high);

  void Set(int cell, int value);          // a given
  void Allow(int cell, uint32_t values);  // one bit a value: no others
  void Exclude(int a, int b, int value);  // not both have it
  // All different; if there are as many cells as values, each value has its place.
  void AddUnit(std::string name, std::vector<int> cells);
  // Last: a rule's own cells keep the exclusions and units that are there by then. In words, all the rule's cells if
  // `line`, as the grid shows them; otherwise only those that are not known yet.
  void AddRule(std::string name, std::vector<int> cells, bool line, Fits fits);

  struct Result {
    bool solved = false;
    int steps = 0, suppositions = 0;
    std::string text;  // lines, each ends with \n
    std::vector<int> values;
  };
  // `render` gives the state that is restated after every step, from values with kUnknown; nullptr: no words. Stops,
  // unsolved, after `most_suppositions` or after `most_steps`.
  using Render = std::function<std::string(const std::vector<int>&)>;
  Result Solve(const Render& render, int most_suppositions = 200, int most_steps = 2000) const;

  // The values, if steps 1 to 3 alone find them all; then they are the only solution. Otherwise nothing.
  std::vector<int> Forced() const;
  // The number of solutions, at most `limit` of them; 0 as well if the search would take too long.
  int CountSolutions(int limit) const;
  // Solutions themselves, at most `limit`.
  std::vector<std::vector<int>> Solutions(int limit) const;
  // Whether Forced() finds something and, unless most_characters is 0, Solve()'s words are that short.
  bool ForcedWithin(const Render& render, size_t most_characters) const;
  // The same for a single solution that may take suppositions, at most 30 of them.
  bool UniqueWithin(const Render& render, size_t most_characters) const;

 private:
  struct Peer {
    int cell;
    uint32_t values;
  };
  struct Unit {
    std::string name;
    std::vector<int> cells;
  };
  struct Rule {
    std::string name;
    std::vector<int> cells;
    bool line;
    Fits fits;
    std::vector<std::vector<std::pair<int, uint32_t>>> earlier;  // per place: places before it that are its peers
  };
  using CellSet = std::bitset<kMostCells>;
  struct Ways {
    bool fresh = false, overflow = false;
    int count = 0;
    std::vector<uint32_t> seen;              // per place
    CellSet excluded;                        // by every way, from being 1
    std::vector<std::vector<int>> fillings;  // only if wanted
  };
  struct State {
    std::vector<int> values;
    std::vector<uint32_t> left;  // what an unknown cell may be
    int unknown = 0;
    std::vector<Ways> ways;  // per rule
  };
  struct Work;

  void Link(int a, int b, uint32_t values);
  State Start() const;
  bool Put(State* state, int cell, int value) const;
  bool Brings(const State& state, const Rule& rule, const Ways& ways) const;
  void Enumerate(const State& state, const Rule& rule, bool keep, Ways* ways) const;
  bool Deduce(State* state, Work* work, bool* contradiction) const;
  bool Propagate(State* state) const;
  bool Run(State* state, Work* work) const;
  void Search(State state, int limit, int* budget, std::vector<std::vector<int>>* found) const;
  std::string Text(const std::vector<int>& values) const;
  std::string MaskText(uint32_t mask) const;

  std::vector<std::string> names_;
  int low_, high_;
  std::vector<int> given_;
  std::vector<uint32_t> allowed_;
  std::vector<std::vector<Peer>> peers_;
  std::vector<Unit> units_;
  std::vector<Rule> rules_;
  std::vector<std::vector<int>> rules_of_;  // per cell
  std::vector<CellSet> excludes_;           // per cell, if there are two values: those that are not 1 if it is
  bool any_excludes_ = false;
};

// Solve()'s words as the thinking, and the values, as `answer` writes them, in the box. Error that names `where` if it
// finds no solution.
Solution WorkedSolution(const CellLogic& logic, const CellLogic::Render& render, const CellLogic::Render& answer,
                        const std::string& where);

}  // namespace fulgur
