// Trains that share a piece of line: when each of them starts, so that none is late. The worked solution sends the
// train that has to be through first, as early as it can go, and goes back where one would be late.
//
// Difficulty: trains: 1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 8. From 3 some minutes must lie between trains, from 4 a train
// may have to wait for another, from 5 there are two tracks. From 2 the trains cannot simply go in the order of the
// list.
#include <algorithm>
#include <array>

#include "envs/answer.h"
#include "envs/lists.h"
#include "envs/task.h"

namespace fulgur::train_scheduling {
namespace {

struct Level {
  size_t trains;
  int gap;
  size_t waits;
  int tracks;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {2, 0, 0, 1}, {3, 0, 0, 1}, {4, 1, 0, 1}, {5, 2, 1, 1}, {6, 2, 2, 2}, {8, 3, 3, 2}}};
constexpr int kBegin = 8 * 60, kLatest = 20 * 60, kMostMinutes = 120, kMostTracks = 4, kMostTries = 20'000;
constexpr size_t kMostTrains = 12;

struct Train {
  std::string name;
  int ready = 0, minutes = 0, by = 0;  // times in minutes since midnight
};

struct Puzzle {
  int gap = 0, tracks = 1;
  std::vector<Train> trains;
  std::vector<std::pair<size_t, size_t>> waits;  // the second starts after the first is through
};

// Trains one after the other, in order of their starts; each takes the track that is free first.
class Search {
 public:
  Search(const Puzzle& puzzle, std::string* text)
      : problem_(puzzle), text_(text), starts_(puzzle.trains.size(), -1), tracks_(puzzle.tracks, kBegin) {
    for (size_t i = 0; i < puzzle.trains.size(); ++i) order_.push_back(i);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return puzzle.trains[a].by < puzzle.trains[b].by; });
  }

  // Start of each train; empty if there is no way, or none was found in so many tries.
  std::vector<int> Run() { return Next(0, kBegin) ? starts_ : std::vector<int>(); }
  int returns() const { return returns_; }

 private:
  // When the train can start; -1 if it waits for one that has not gone.
  int Earliest(size_t train, int previous) const {
    int start = std::max({problem_.trains[train].ready, *std::min_element(tracks_.begin(), tracks_.end()), previous});
    for (const auto& [first, second] : problem_.waits) {
      if (second != train) continue;
      if (starts_[first] < 0) return -1;
      start = std::max(start, starts_[first] + problem_.trains[first].minutes);
    }
    return start;
  }

  bool Next(size_t done, int previous) {
    if (done == order_.size()) return true;
    for (const size_t train : order_) {
      if (starts_[train] >= 0) continue;
      const int start = Earliest(train, previous);
      if (start < 0) continue;
      if (++tries_ > kMostTries) return false;
      const Train& t = problem_.trains[train];
      const int end = start + t.minutes;
      if (text_ != nullptr) {
        const int free = *std::min_element(tracks_.begin(), tracks_.end());
        *text_ +=
            fmt::format("free {} {} ready {} start {} end {} by {} {}\n", ClockText(free), t.name, ClockText(t.ready),
                        ClockText(start), ClockText(end), ClockText(t.by), end <= t.by ? "yes" : "late");
      }
      // Late now is late later: nothing that goes on from here can help.
      if (end > t.by) break;
      const auto track = std::min_element(tracks_.begin(), tracks_.end());
      const int free = *track;
      *track = end + problem_.gap;
      starts_[train] = start;
      if (Next(done + 1, start)) return true;
      ++returns_;
      if (text_ != nullptr) *text_ += fmt::format("back, not {} now\n", t.name);
      starts_[train] = -1;
      *track = free;
    }
    return false;
  }

  const Puzzle& problem_;
  std::string* text_;
  std::vector<size_t> order_;
  std::vector<int> starts_, tracks_;
  int tries_ = 0, returns_ = 0;
};

// Empty if the starts keep the rules; else what is wrong.
std::string Broken(const Puzzle& puzzle, const std::vector<int>& starts) {
  const std::vector<Train>& trains = puzzle.trains;
  for (size_t i = 0; i < trains.size(); ++i) {
    if (starts[i] < trains[i].ready) return trains[i].name + " is not ready then";
    if (starts[i] + trains[i].minutes > trains[i].by) return trains[i].name + " is late";
    // More trains at a time than tracks are there at the start of one of them, if anywhere.
    int busy = 0;
    for (size_t j = 0; j < trains.size(); ++j) {
      if (starts[j] <= starts[i] && starts[i] < starts[j] + trains[j].minutes + puzzle.gap) ++busy;
    }
    if (busy > puzzle.tracks) return fmt::format("no track is free when {} starts", trains[i].name);
  }
  for (const auto& [first, second] : puzzle.waits) {
    if (starts[second] < starts[first] + trains[first].minutes) {
      return fmt::format("{} does not wait for {}", trains[second].name, trains[first].name);
    }
  }
  return "";
}

class TrainScheduling : public Task {
 public:
  const char* name() const override { return "train_scheduling"; }
  const char* description() const override { return "When trains start that share a piece of line"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"tracks", "number from 1 to 4"},
            {"gap", "minutes from 0 to 120 between trains on a track"},
            {"trains",
             "list of up to 12 trains",
             false,
             {{"name", "a letter from A to Z"},
              {"ready", "time such as 8:05, from 8:00 on"},
              {"minutes", "how long it needs, from 1 to 120"},
              {"by", "time by which it must be through, up to 20:00"}}},
            {"waits", "list of [first, second]: the second starts when the first is through"}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    std::string thinking;
    const std::vector<int> starts = Search(puzzle, &thinking).Run();
    if (starts.empty()) throw Error("data of train_scheduling: no way was found in {} tries", kMostTries);
    thinking.pop_back();
    std::vector<std::string> all;
    for (size_t i = 0; i < starts.size(); ++i) all.push_back(puzzle.trains[i].name + " " + ClockText(starts[i]));
    return {thinking, BoxedAnswer(Join(all, ", "))};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    for (;;) {
      puzzle = {};
      puzzle.gap = level.gap;
      puzzle.tracks = level.tracks;
      // A timetable that works, and then the times that leave it some freedom.
      std::vector<int> starts(level.trains), tracks(level.tracks, kBegin);
      std::vector<size_t> order(level.trains);
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      rng.Shuffle<size_t>(order);
      puzzle.trains.resize(level.trains);
      int previous = kBegin;
      for (const size_t i : order) {
        Train& train = puzzle.trains[i];
        const auto track = std::min_element(tracks.begin(), tracks.end());
        train.name = std::string(1, static_cast<char>('A' + i));
        train.minutes = static_cast<int>(rng.Int(3, 12));
        starts[i] = std::max(*track, previous) + static_cast<int>(rng.Chance(0.3) ? rng.Int(0, 4) : 0);
        previous = starts[i];
        *track = starts[i] + train.minutes + level.gap;
        train.ready = std::max(kBegin, starts[i] - static_cast<int>(rng.Int(0, 12)));
        train.by = starts[i] + train.minutes + static_cast<int>(rng.Int(0, 9));
      }
      for (size_t tries = 0; puzzle.waits.size() < level.waits && tries < 20; ++tries) {
        const size_t a = rng.Below(level.trains), b = rng.Below(level.trains);
        const bool there = std::find(puzzle.waits.begin(), puzzle.waits.end(), std::pair(a, b)) != puzzle.waits.end();
        if (a != b && !there && starts[a] + puzzle.trains[a].minutes <= starts[b]) puzzle.waits.emplace_back(a, b);
      }
      if (puzzle.waits.size() < level.waits) continue;
      Search search(puzzle, nullptr);
      if (search.Run().empty() || (difficulty <= 3 && search.returns() > 0)) continue;
      if (difficulty == 1 || !Broken(puzzle, InOrder(puzzle)).empty()) break;
    }
    Json trains = Json::array(), waits = Json::array();
    std::string lines;
    for (const Train& train : puzzle.trains) {
      trains.push_back({{"name", train.name},
                        {"ready", ClockText(train.ready)},
                        {"minutes", train.minutes},
                        {"by", ClockText(train.by)}});
      lines += fmt::format("{} ready {}, takes {} minutes, through by {}\n", train.name, ClockText(train.ready),
                           train.minutes, ClockText(train.by));
    }
    std::string rules = puzzle.tracks == 1
                            ? std::string("One train at a time can be on the line.")
                            : fmt::format("The line has {} tracks, with one train at a time on each.", puzzle.tracks);
    if (puzzle.gap > 0) {
      rules += fmt::format(" A track must be clear for {} minute{} before the next train starts.", puzzle.gap,
                           puzzle.gap == 1 ? "" : "s");
    }
    for (const auto& [first, second] : puzzle.waits) {
      const std::string &a = puzzle.trains[first].name, &b = puzzle.trains[second].name;
      waits.push_back({a, b});
      rules += fmt::format(" {} must be through before {} starts.", a, b);
    }
    instance->data = {{"tracks", puzzle.tracks}, {"gap", puzzle.gap}, {"trains", trains}, {"waits", waits}};
    const std::array<std::string_view, 2> openings = {"Trains have to pass a line:\n", "Schedule these trains:\n"};
    instance->prompt = fmt::format(
        "{}{}{} No train starts before it is ready. When does each start? Put it as train time, "
        "train time in \\boxed{{}}.",
        rng.Pick(openings), lines, rules);
  }

  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    const size_t trains = puzzle.trains.size();
    // A colon is part of a time, so only one after a name separates: "A: 8:05".
    std::string text = ToLower(answer);
    for (char& c : text) {
      if (c == '(' || c == ')' || c == '=' || c == '|' || c == '&') c = ' ';
    }
    std::vector<std::string> words = SplitList(text);
    for (std::string& word : words) {
      if (word.ends_with(':')) word.pop_back();
    }
    std::erase_if(words, [](const std::string& word) {
      return word.empty() || word == "and" || word == "at" || word == "starts" || word == "-" || word == "->" ||
             word == "train";
    });
    if (words.size() != 2 * trains) {
      return {0, fmt::format("{} words instead of a train and a time for each of {}", words.size(), trains)};
    }
    std::vector<int> starts(trains, -1);
    for (size_t i = 0; i < words.size(); i += 2) {
      size_t train = 0;
      while (train < trains && ToLower(puzzle.trains[train].name) != words[i]) ++train;
      if (train == trains) return {0, Quoted(words[i]) + " is none of the trains"};
      if (starts[train] >= 0) return {0, puzzle.trains[train].name + " is named twice"};
      starts[train] = ParseClock(words[i + 1]);
      if (starts[train] < 0) return {0, Quoted(words[i + 1]) + " is not a time such as 8:05"};
    }
    const std::string broken = Broken(puzzle, starts);
    return broken.empty() ? Score{1, ""} : Score{0, broken};
  }

 private:
  // As early as possible in the order of the list.
  static std::vector<int> InOrder(const Puzzle& puzzle) {
    std::vector<int> starts, tracks(puzzle.tracks, kBegin);
    for (const Train& train : puzzle.trains) {
      const auto track = std::min_element(tracks.begin(), tracks.end());
      starts.push_back(std::max(*track, train.ready));
      *track = starts.back() + train.minutes + puzzle.gap;
    }
    return starts;
  }

  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of train_scheduling";
    Puzzle puzzle;
    const auto number = [&](const Json& data, const char* key, int64_t lo, int64_t hi) {
      const auto value = JsonGet<int64_t>(data, key, where);
      if (value < lo || value > hi) throw Error("{}: \"{}\" must be in {}..{}", where, key, lo, hi);
      return static_cast<int>(value);
    };
    puzzle.tracks = number(instance.data, "tracks", 1, kMostTracks);
    puzzle.gap = number(instance.data, "gap", 0, kMostMinutes);
    std::vector<std::string> names;
    for (const Json& entry : JsonList(instance.data, "trains", where, 1, kMostTrains)) {
      Train train;
      train.name = JsonGet<std::string>(entry, "name", where);
      train.ready = ParseClock(JsonGet<std::string>(entry, "ready", where));
      train.by = ParseClock(JsonGet<std::string>(entry, "by", where));
      train.minutes = number(entry, "minutes", 1, kMostMinutes);
      if (train.name.size() != 1 || train.name[0] < 'A' || train.name[0] > 'Z' || IndexOf(names, train.name) >= 0) {
        throw Error("{}: \"name\" must be a letter from A to Z, each once", where);
      }
      if (train.ready < kBegin || train.by < 0 || train.by > kLatest) {
        throw Error("{}: \"ready\" and \"by\" must be times from {} to {}", where, ClockText(kBegin),
                    ClockText(kLatest));
      }
      names.push_back(train.name);
      puzzle.trains.push_back(train);
    }
    for (const Json& entry : JsonList(instance.data, "waits", where, 0, kMostTrains)) {
      const std::vector<std::string> texts = JsonEntry(entry, where);
      const int first = texts.size() == 2 ? IndexOf(names, texts[0]) : -1;
      const int second = texts.size() == 2 ? IndexOf(names, texts[1]) : -1;
      if (first < 0 || second < 0) throw Error("{}: {} are not two trains", where, Quoted(entry.dump()));
      puzzle.waits.emplace_back(first, second);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::train_scheduling

namespace fulgur {
std::unique_ptr<Task> MakeTrainScheduling() { return std::make_unique<train_scheduling::TrainScheduling>(); }
}  // namespace fulgur
