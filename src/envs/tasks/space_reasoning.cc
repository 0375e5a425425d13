// A walk on a grid past things, and what lies at its end. The place, as steps east and north of the start, is restated
// after every part of the walk.
//
// Difficulty: things: 1: 3, 2: 4, 3: 5, 4: 6, 5: 12, 6: 20; parts of the last walk: 1: 1 or 2, then up to 4. From 4
// directions are turns.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::space_reasoning {
namespace {

struct Level {
  size_t things;
  int64_t farthest;
  bool split, turns;
};
constexpr std::array<Level, 7> kLevels = {{{},
                                           {3, 2, false, false},
                                           {4, 3, true, false},
                                           {5, 4, true, false},
                                           {6, 4, true, true},
                                           {12, 6, true, true},
                                           {20, 9, true, true}}};
constexpr size_t kMostParts = 100;
constexpr int64_t kMostSteps = 1000;

// Clockwise.
constexpr std::array<std::string_view, 4> kCompass = {"north", "east", "south", "west"};
constexpr std::array<std::string_view, 4> kTurns = {"ahead", "right", "back", "left"};
constexpr std::array<int64_t, 4> kEast = {0, 1, 0, -1}, kNorth = {1, 0, -1, 0};

struct Part {
  int direction = 0;  // in kCompass, or in kTurns: clockwise from where one looks
  int64_t steps = 0;
  std::string thing;  // found at its end; empty in the last walk
};

struct Place {
  int64_t east = 0, north = 0;
  int looks = 0;
  bool operator==(const Place& other) const { return east == other.east && north == other.north; }
};

class SpaceReasoning : public Task {
 public:
  const char* name() const override { return "space_reasoning"; }
  const char* description() const override { return "What lies at the end of a walk on a grid"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 4; }
  std::vector<DataKey> DataKeys() const override {
    return {{"start", "what lies at the start"},
            {"turns", "true or false: whether directions are turns"},
            {"walk",
             "list of [direction, steps as a text, thing found]; directions are north, east, south and west, or ahead, "
             "right, back and left: one turns there, then walks"},
            {"last", "list of [direction, steps as a text] that ends at a thing"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking = fmt::format("0 0 {}\n", puzzle.start);
    Place place;
    for (const auto* parts : {&puzzle.walk, &puzzle.last}) {
      for (const Part& part : *parts) {
        if (puzzle.turns) thinking += fmt::format("{} ", kTurns[part.direction]);
        Go(puzzle, part, &place);
        thinking += fmt::format("{} {}: {} {}{}\n", kCompass[place.looks], part.steps, place.east, place.north,
                                part.thing.empty() ? "" : " " + part.thing);
      }
      if (parts == &puzzle.walk) thinking += "walk\n";
    }
    const std::string thing = Target(puzzle);
    return {thinking + fmt::format("{} {} {}", place.east, place.north, thing), BoxedAnswer(thing)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    const std::vector<std::string> things = Sample(rng, Things(), level.things);
    std::vector<Place> places(1);
    Place place;
    std::vector<Part> walk, last;
    // A part of the walk in compass terms as the problem puts it.
    const auto part = [&](int compass, int64_t steps, const std::string& thing) {
      const int direction = level.turns ? (compass - place.looks + 4) % 4 : compass;
      place.looks = compass;
      place.east += steps * kEast[compass];
      place.north += steps * kNorth[compass];
      return Part{direction, steps, thing};
    };
    while (walk.size() + 1 < level.things) {
      const int compass = static_cast<int>(rng.Below(4));
      const int64_t steps = rng.Int(1, level.farthest);
      Place next = place;
      next.east += steps * kEast[compass];
      next.north += steps * kNorth[compass];
      if (std::find(places.begin(), places.end(), next) != places.end()) continue;
      places.push_back(next);
      walk.push_back(part(compass, steps, things[walk.size() + 1]));
    }
    const Place target = places[rng.Below(places.size() - 1)];
    // East or west and north or south, in pieces.
    std::vector<std::pair<int, int64_t>> pieces;
    const auto add = [&](int compass, int64_t steps) {
      if (steps < 0) compass += 2, steps = -steps;
      const int64_t first = level.split && steps > 1 && rng.Chance(0.4) ? rng.Int(1, steps - 1) : steps;
      if (first > 0) pieces.emplace_back(compass, first);
      if (first < steps) pieces.emplace_back(compass, steps - first);
    };
    add(1, target.east - place.east);
    add(0, target.north - place.north);
    rng.Shuffle<std::pair<int, int64_t>>(pieces);
    for (const auto& [compass, steps] : pieces) last.push_back(part(compass, steps, ""));

    instance->data = {{"start", things[0]},
                      {"turns", level.turns},
                      {"walk", ToJson(walk, level.turns)},
                      {"last", ToJson(last, level.turns)}};
    std::vector<std::string> found, then;
    for (const Part& p : walk) found.push_back(fmt::format("{} and find a {}", Words(p, level.turns), p.thing));
    for (const Part& p : last) then.push_back(Words(p, level.turns));
    const std::array<std::string_view, 2> openings = {"You stand on a square grid", "You are on a grid of streets"};
    const std::string walk_once = level.turns ? "" : "walk ";  // where every part turns first, each has its own verb
    instance->prompt = fmt::format(
        "{}{} and find a {}. You {}. Then you {}. Which of these things is there? Put the word in "
        "\\boxed{{}}.",
        rng.Pick(openings), level.turns ? ", look north" : "", things[0], walk_once + Join(found, ", then "),
        walk_once + Join(then, ", then "));
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const std::vector<std::string> words = AnswerWords(answer, {"a", "the"});
    if (words.size() != 1) return {0, fmt::format("{} words instead of one", words.size())};
    if (words[0] != ToLower(Target(Read(instance)))) return {0, Quoted(words[0]) + " is not there"};
    return {1, ""};
  }

 private:
  struct Puzzle {
    std::string start;
    bool turns = false;
    std::vector<Part> walk, last;
  };

  static void Go(const Puzzle& puzzle, const Part& part, Place* place) {
    place->looks = puzzle.turns ? (place->looks + part.direction) % 4 : part.direction;
    place->east += part.steps * kEast[place->looks];
    place->north += part.steps * kNorth[place->looks];
  }

  // The thing at the end; empty if there is none.
  static std::string Target(const Puzzle& puzzle) {
    Place place;
    std::vector<std::pair<Place, std::string>> found = {{place, puzzle.start}};
    for (const Part& part : puzzle.walk) {
      Go(puzzle, part, &place);
      found.emplace_back(place, part.thing);
    }
    for (const Part& part : puzzle.last) Go(puzzle, part, &place);
    for (const auto& [where, thing] : found) {
      if (where == place) return thing;
    }
    return "";
  }

  static std::string Words(const Part& part, bool turns) {
    if (!turns) return fmt::format("{} {}", part.steps, kCompass[part.direction]);
    switch (part.direction) {
      case 0:
        return fmt::format("walk {} straight on", part.steps);
      case 2:
        return fmt::format("turn around and walk {}", part.steps);
      default:
        return fmt::format("turn {} and walk {}", kTurns[part.direction], part.steps);
    }
  }

  static Json ToJson(const std::vector<Part>& parts, bool turns) {
    Json list = Json::array();
    for (const Part& part : parts) {
      Json entry = Json::array({(turns ? kTurns : kCompass)[part.direction], std::to_string(part.steps)});
      if (!part.thing.empty()) entry.push_back(part.thing);
      list.push_back(entry);
    }
    return list;
  }

  static std::vector<Part> ReadParts(const Json& data, const char* key, bool turns, bool things) {
    const std::string where = "data of space_reasoning";
    std::vector<Part> parts;
    for (const Json& entry : JsonList(data, key, where, 1, kMostParts)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      Part part;
      const auto& directions = turns ? kTurns : kCompass;
      const auto direction =
          texts.empty() ? directions.end() : std::find(directions.begin(), directions.end(), texts[0]);
      part.direction = static_cast<int>(direction - directions.begin());
      if (direction == directions.end() || texts.size() != (things ? 3 : 2) || !ParseInteger(texts[1], &part.steps) ||
          part.steps < 1 || part.steps > kMostSteps) {
        throw Error("{}: {} is not a part of \"{}\"", where, Quoted(entry.dump()), key);
      }
      if (things) part.thing = texts[2];
      parts.push_back(part);
    }
    return parts;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of space_reasoning";
    Puzzle puzzle;
    puzzle.start = JsonGet<std::string>(instance.data, "start", where);
    puzzle.turns = JsonGet<bool>(instance.data, "turns", where);
    puzzle.walk = ReadParts(instance.data, "walk", puzzle.turns, true);
    puzzle.last = ReadParts(instance.data, "last", puzzle.turns, false);
    Place place;
    std::vector<Place> seen(1);
    for (const Part& part : puzzle.walk) {
      Go(puzzle, part, &place);
      if (std::find(seen.begin(), seen.end(), place) != seen.end()) {
        throw Error("{}: \"walk\" finds two things in one place", where);
      }
      seen.push_back(place);
    }
    if (Target(puzzle).empty()) throw Error("{}: \"last\" does not end at a thing", where);
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::space_reasoning

namespace fulgur {
std::unique_ptr<Task> MakeSpaceReasoning() { return std::make_unique<space_reasoning::SpaceReasoning>(); }
}  // namespace fulgur
