// A walk through rooms that form a tree, and what lies at its end or where two ways meet. The room, as the way down to
// it from the top, is restated after every move.
//
// Difficulty: things: 1: 3, 2: 4, 3: 5, 4: 8, 5: 12, 6: 20. From 3 also the highest room between two things; from 4
// three rooms below each.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::space_reasoning_tree {
namespace {

struct Level {
  size_t things;
  uint64_t below;  // rooms below each
  bool between;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {3, 2, false}, {4, 2, false}, {5, 2, true}, {8, 3, true}, {12, 3, true}, {20, 3, true}}};
constexpr size_t kMostMoves = 300, kDeepest = 30;

constexpr std::array<std::string_view, 3> kDown = {"left", "right", "middle"};

// "up", "left", or "left fork": into a room with something new.
struct Move {
  bool up = false;
  char down = ' ';  // l, r, m
  std::string thing;
};

// A room is the way to it: "lr", and "" for the top.
std::string Room(const std::string& way) {
  if (way.empty()) return "top";
  std::string text;
  for (const char c : way) text += fmt::format("{}{}", text.empty() ? "" : "-", c);
  return text;
}

std::string DownName(char down) {
  return std::string(*std::find_if(kDown.begin(), kDown.end(), [&](std::string_view word) { return word[0] == down; }));
}

class SpaceReasoningTree : public Task {
 public:
  const char* name() const override { return "space_reasoning_tree"; }
  const char* description() const override { return "What lies in a room of a tree of rooms"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {
        {"start", "what is in the room at the top"},
        {"walk",
         "list of moves: \"up\", or \"left\", \"middle\" or \"right\" and the thing found there, such as \"left cup\""},
        {"last", "list of moves from the end of the walk to the room that is asked about; either this or \"between\"",
         true},
        {"between", "two things; asked is the room where the ways to them part", true}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking = fmt::format("top {}\n", puzzle.start), way;
    const auto walk = [&](const std::vector<Move>& moves) {
      for (const Move& move : moves) {
        Go(move, &way);
        thinking += fmt::format("{}: {}{}\n", move.up ? "up" : DownName(move.down), Room(way),
                                move.thing.empty() ? "" : " " + move.thing);
      }
    };
    walk(puzzle.walk);
    if (puzzle.between.empty()) {
      thinking += "go on\n";
      walk(puzzle.last);
    } else {
      for (const std::string& thing : puzzle.between)
        thinking += fmt::format("{} {}\n", thing, Room(WayTo(puzzle, thing)));
    }
    way = Target(puzzle);
    const std::string thing = ThingAt(puzzle, way);
    return {thinking + fmt::format("{} {}", Room(way), thing), BoxedAnswer(thing)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const std::vector<std::string> things = Sample(rng, Things(), level.things);
    std::vector<std::string> rooms = {""};
    std::string way;
    Json walk = Json::array(), last = Json::array();
    std::vector<std::string> sentences, then;
    int ups = 0;
    const auto say_up = [&](std::vector<std::string>* texts) {
      if (ups > 0) texts->push_back(ups == 1 ? "up" : fmt::format("up {} times", ups));
      ups = 0;
    };
    while (rooms.size() < level.things) {
      const std::string_view down = kDown[rng.Below(level.below)];
      if (!way.empty() && rng.Chance(0.4)) {
        way.pop_back();
        walk.push_back("up");
        ++ups;
        continue;
      }
      const auto known = [&](char c) { return std::find(rooms.begin(), rooms.end(), way + c) != rooms.end(); };
      if (known(down[0])) {
        // Through rooms that are all known there may be no other way on.
        const bool all = std::all_of(kDown.begin(), kDown.begin() + static_cast<std::ptrdiff_t>(level.below),
                                     [&](std::string_view word) { return known(word[0]); });
        if (!all) continue;
        way += down[0];
        walk.push_back(down);
        say_up(&sentences);
        sentences.push_back(fmt::format("down {}", down));
        continue;
      }
      const std::string next = way + down[0];
      if (next.size() > kDeepest) continue;
      const std::string& thing = things[rooms.size()];
      way = next;
      rooms.push_back(way);
      walk.push_back(fmt::format("{} {}", down, thing));
      say_up(&sentences);
      sentences.push_back(fmt::format("down {} and find a {}", down, thing));
    }
    instance->data = {{"start", things[0]}, {"walk", walk}};
    const std::array<std::string, 2> openings = {
        fmt::format("Below every room is a {} and a {} room.", level.below == 3 ? "left, a middle" : "left", "right"),
        fmt::format("Rooms form a tree: from each, {} rooms lie below, {}left and right.",
                    level.below == 3 ? "three" : "two", level.below == 3 ? "middle, " : "")};
    instance->prompt = fmt::format("{} You start at the top and find a {}. You go {}. ", rng.Pick(openings), things[0],
                                   Join(sentences, ", then "));
    if (level.between && rng.Chance(0.5)) {
      std::vector<std::string> two = Sample(rng, std::vector<std::string_view>(things.begin(), things.end()), 2);
      instance->data["between"] = two;
      instance->prompt += fmt::format(
          "What is in the highest room on the shortest way from the {} to the {}, both ends included?", two[0], two[1]);
    } else {
      // The shortest way to another room.
      std::string target = rng.Pick(rooms);
      while (target == way) target = rng.Pick(rooms);
      while (target.substr(0, way.size()) != way) {
        way.pop_back();
        last.push_back("up");
        ++ups;
      }
      say_up(&then);
      while (way != target) {
        way += target[way.size()];
        last.push_back(DownName(way.back()));
        then.push_back("down " + DownName(way.back()));
      }
      instance->data["last"] = last;
      instance->prompt += fmt::format("Then you go {}. What is in that room?", Join(then, ", then "));
    }
    instance->prompt += " Put the word in \\boxed{}.";
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const std::vector<std::string> words = AnswerWords(answer, {"a", "the"});
    if (words.size() != 1) return {0, fmt::format("{} words instead of one", words.size())};
    if (words[0] != ToLower(ThingAt(puzzle, Target(puzzle)))) return {0, Quoted(words[0]) + " is not there"};
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::string start;
    std::vector<Move> walk, last;
    std::vector<std::string> between;                        // two things, or none
    std::vector<std::pair<std::string, std::string>> found;  // way, thing
    std::string way;                                         // at the end of the walk
  };

  static void Go(const Move& move, std::string* way) {
    if (move.up) {
      way->pop_back();
    } else {
      *way += move.down;
    }
  }

  static std::string WayTo(const Puzzle& puzzle, const std::string& thing) {
    for (const auto& [way, there] : puzzle.found) {
      if (there == thing) return way;
    }
    throw Error("data of space_reasoning_tree: there is no {}", Quoted(thing));
  }

  static std::string ThingAt(const Puzzle& puzzle, const std::string& way) {
    for (const auto& [there, thing] : puzzle.found) {
      if (there == way) return thing;
    }
    throw Error("data of space_reasoning_tree: nothing is in the room asked for");
  }

  static std::string Target(const Puzzle& puzzle) {
    std::string way = puzzle.way;
    if (puzzle.between.empty()) {
      for (const Move& move : puzzle.last) Go(move, &way);
      return way;
    }
    const std::string a = WayTo(puzzle, puzzle.between[0]), b = WayTo(puzzle, puzzle.between[1]);
    return a.substr(
        0, std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())), b.begin())
                   .first -
               a.begin());
  }

  static std::vector<Move> ReadMoves(const Json& data, const char* key, bool things, std::string* way) {
    const std::string where = "data of space_reasoning_tree";
    std::vector<Move> moves;
    for (const std::string& text : JsonTexts(data, key, where, 1, kMostMoves)) {
      const std::vector<std::string> words = SplitList(text);
      Move move;
      move.up = text == "up";
      if (!move.up) {
        const bool known = !words.empty() && std::find(kDown.begin(), kDown.end(), words[0]) != kDown.end();
        if (!known || words.size() > (things ? 2 : 1)) throw Error("{}: {} is not a move", where, Quoted(text));
        move.down = words[0][0];
        if (words.size() == 2) move.thing = words[1];
      }
      if (move.up ? way->empty() : way->size() > 2 * kDeepest) throw Error("{}: \"{}\" leaves the tree", where, key);
      Go(move, way);
      moves.push_back(move);
    }
    return moves;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of space_reasoning_tree";
    Puzzle puzzle;
    puzzle.start = JsonGet<std::string>(instance.data, "start", where);
    puzzle.walk = ReadMoves(instance.data, "walk", true, &puzzle.way);
    puzzle.found.emplace_back("", puzzle.start);
    std::string way;
    for (const Move& move : puzzle.walk) {
      Go(move, &way);
      if (move.thing.empty()) continue;
      for (const auto& [there, thing] : puzzle.found) {
        if (there == way || thing == move.thing) throw Error("{}: {} is found twice", where, Quoted(move.thing));
      }
      puzzle.found.emplace_back(way, move.thing);
    }
    if (instance.data.contains("between") == instance.data.contains("last")) {
      throw Error("{}: there must be either \"last\" or \"between\"", where);
    }
    if (instance.data.contains("between")) {
      puzzle.between = JsonTexts(instance.data, "between", where, 2, 2);
    } else {
      way = puzzle.way;
      puzzle.last = ReadMoves(instance.data, "last", false, &way);
    }
    ThingAt(puzzle, Target(puzzle));
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::space_reasoning_tree

namespace fulgur {
std::unique_ptr<Task> MakeSpaceReasoningTree() { return std::make_unique<space_reasoning_tree::SpaceReasoningTree>(); }
}  // namespace fulgur
