// Graph colouring: a colour for every vertex so that the ends of every edge differ. Any such colouring is right.
//
// The worked solution goes through the vertices by name: the neighbours that have a colour, then the smallest colour
// they leave. If they leave none, the last vertex before it that has another colour left takes it, and so on.
//
// Difficulty: vertices, edges and colours: 1: 5, 5 and 3; 2: 6, 7 and 3; 3: 7, 10 and 3; 4: 8, 14 and 3; 5: 10, 20 and
// 3; 6: 12, 30 and 4. Up to 3 the first colouring that is tried is right.
#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "envs/answer.h"
#include "envs/task.h"

namespace fulgur::graph_coloring {
namespace {

struct Level {
  int vertices, edges, colours;
  int most_retreats;
};
constexpr std::array<Level, 7> kLevels = {
    {{}, {5, 5, 3, 0}, {6, 7, 3, 0}, {7, 10, 3, 0}, {8, 14, 3, 5}, {10, 20, 3, 20}, {12, 30, 4, 20}}};
constexpr int kMostVertices = 26;
constexpr int kMostSteps = 20000;

struct Puzzle {
  int vertices = 0, colours = 0;
  std::vector<std::pair<int, int>> edges;
};

char Name(int vertex) { return static_cast<char>('A' + vertex); }

struct Run {
  bool solved = false;
  int retreats = 0;
  std::vector<int> colour;  // from 1; 0: none
  std::string text;
};

Run ColourAll(const Puzzle& puzzle) {
  Run run;
  run.colour.assign(puzzle.vertices, 0);
  int vertex = 0, steps = 0, least = 1;  // the smallest colour that may still be tried
  while (vertex < puzzle.vertices) {
    if (++steps > kMostSteps) return run;
    std::vector<bool> taken(puzzle.colours + 1);
    std::string neighbours;
    for (const auto& [a, b] : puzzle.edges) {
      const int other = a == vertex ? b : b == vertex ? a : vertex;
      if (other >= vertex) continue;
      neighbours += fmt::format(" {}{}", Name(other), run.colour[other]);
      taken[run.colour[other]] = true;
    }
    int colour = least;
    while (colour <= puzzle.colours && taken[colour]) ++colour;
    run.text += fmt::format("{}{}{}", Name(vertex), neighbours.empty() ? "" : " by" + neighbours,
                            least > 1 ? fmt::format(" above {}", least - 1) : "");
    if (colour <= puzzle.colours) {
      run.text += fmt::format(" so {}\n", colour);
      run.colour[vertex++] = colour;
      least = 1;
      continue;
    }
    ++run.retreats;
    if (vertex == 0) return run;
    --vertex;
    least = run.colour[vertex] + 1;
    run.text += fmt::format(" none, back to {}\n", Name(vertex));
  }
  run.solved = true;
  return run;
}

class GraphColoring : public Task {
 public:
  const char* name() const override { return "graph_coloring"; }
  const char* description() const override { return "Colour the vertices of a graph so that neighbours differ"; }
  int max_difficulty() const override { return 6; }
  int nano_difficulty() const override { return 3; }
  std::vector<DataKey> DataKeys() const override {
    return {{"vertices", "number from 1 to 26"},
            {"colours", "number from 1 to 26"},
            {"edges", "list of two letters each, such as \"AB\""}};
  }

  Solution Work(const TaskInstance& instance) const override {
    const Puzzle puzzle = Read(instance);
    const Run run = ColourAll(puzzle);
    if (!run.solved) throw Error("data of graph_coloring: the search finds no colouring");
    std::string answer;
    for (int i = 0; i < puzzle.vertices; ++i) {
      answer += fmt::format("{}{}={}", i == 0 ? "" : ", ", Name(i), run.colour[i]);
    }
    return {run.text.substr(0, run.text.size() - 1), BoxedAnswer(answer)};
  }

 protected:
  void Draw(Rng& rng, int difficulty, TaskInstance* instance) const override {
    const Level& level = kLevels[difficulty];
    Puzzle puzzle;
    do {
      puzzle = {level.vertices, level.colours, {}};
      // A colouring is drawn first, so there is one.
      std::vector<int> colour(level.vertices);
      for (int& c : colour) c = static_cast<int>(rng.Below(level.colours));
      std::vector<std::pair<int, int>> edges;
      for (int b = 0; b < level.vertices; ++b) {
        for (int a = 0; a < b; ++a) {
          if (colour[a] != colour[b]) edges.emplace_back(a, b);
        }
      }
      rng.Shuffle<std::pair<int, int>>(edges);
      if (static_cast<int>(edges.size()) < level.edges) continue;
      edges.resize(level.edges);
      std::sort(edges.begin(), edges.end());
      puzzle.edges = edges;
      const Run run = ColourAll(puzzle);
      if (run.solved && run.retreats <= level.most_retreats) break;
    } while (true);
    std::vector<std::string> edges;
    for (const auto& [a, b] : puzzle.edges) edges.push_back({Name(a), Name(b)});
    instance->data = {{"vertices", puzzle.vertices}, {"colours", puzzle.colours}, {"edges", edges}};
    const std::array<std::string, 2> prompts = {
        fmt::format("Colour the vertices A to {} of a graph with the colours 1 to {}.", Name(puzzle.vertices - 1),
                    puzzle.colours),
        fmt::format("Give each of the vertices A to {} one of the colours 1 to {}.", Name(puzzle.vertices - 1),
                    puzzle.colours)};
    instance->prompt = rng.Pick(prompts) + fmt::format(
                                               " The two ends of an edge must not have the same colour. Edges: {}.\n"
                                               "Put the colours of all vertices in \\boxed{{}}, like A=1, B=2.",
                                               fmt::join(edges, " "));
  }

  // A letter and a number for every vertex, in any order: A=1, B: 2, (C, 1), D -> 3.
  Score Judge(const TaskInstance& instance, const std::string& answer) const override {
    const Puzzle puzzle = Read(instance);
    std::vector<int> colour(puzzle.vertices);
    int vertex = -1;  // that waits for its colour
    for (size_t i = 0; i < answer.size();) {
      const char c = answer[i];
      if (std::string_view(" \n\r\t,;:=->()[]{}").find(c) != std::string_view::npos) {
        ++i;
      } else if (std::isalpha(static_cast<unsigned char>(c))) {
        if (vertex >= 0) return {0, fmt::format("{} has no colour", Name(vertex))};
        vertex = std::toupper(static_cast<unsigned char>(c)) - 'A';
        if (vertex >= puzzle.vertices) return {0, Quoted(answer.substr(i)) + " does not begin with a vertex"};
        if (colour[vertex] != 0) return {0, fmt::format("{} has two colours", Name(vertex))};
        ++i;
        if (i < answer.size() && std::isalpha(static_cast<unsigned char>(answer[i]))) {
          return {0, Quoted(answer.substr(i - 1)) + " does not begin with a vertex"};
        }
      } else if (std::isdigit(static_cast<unsigned char>(c))) {
        size_t end = i;
        while (end < answer.size() && std::isdigit(static_cast<unsigned char>(answer[end]))) ++end;
        int64_t value = 0;
        if (vertex < 0 || !ParseInteger(answer.substr(i, end - i), &value) || value < 1 || value > puzzle.colours) {
          return {0, Quoted(answer.substr(i)) + " is no colour of a vertex"};
        }
        colour[vertex] = static_cast<int>(value);
        vertex = -1;
        i = end;
      } else {
        return {0, Quoted(answer.substr(i)) + " cannot stand there"};
      }
    }
    if (vertex >= 0) return {0, fmt::format("{} has no colour", Name(vertex))};
    for (int i = 0; i < puzzle.vertices; ++i) {
      if (colour[i] == 0) return {0, fmt::format("{} has no colour", Name(i))};
    }
    for (const auto& [a, b] : puzzle.edges) {
      if (colour[a] == colour[b]) return {0, fmt::format("{} and {} both have {}", Name(a), Name(b), colour[a])};
    }
    return {1, ""};
  }

 private:
  static Puzzle Read(const TaskInstance& instance) {
    const std::string where = "data of graph_coloring";
    Puzzle puzzle;
    const int64_t vertices = JsonGet<int64_t>(instance.data, "vertices", where);
    const int64_t colours = JsonGet<int64_t>(instance.data, "colours", where);
    if (vertices < 1 || vertices > kMostVertices || colours < 1 || colours > kMostVertices) {
      throw Error("{}: \"vertices\" and \"colours\" must be from 1 to {}", where, kMostVertices);
    }
    puzzle.vertices = static_cast<int>(vertices);
    puzzle.colours = static_cast<int>(colours);
    const auto edges = instance.data.find("edges");
    if (edges == instance.data.end() || !edges->is_array()) throw Error("{}: \"edges\" must be a list", where);
    std::set<std::pair<int, int>> seen;
    for (const Json& edge : *edges) {
      const std::string text = edge.is_string() ? edge.get<std::string>() : "";
      const int a = text.size() == 2 ? text[0] - 'A' : -1, b = text.size() == 2 ? text[1] - 'A' : -1;
      if (a < 0 || b < 0 || a >= vertices || b >= vertices || a == b) {
        throw Error("{}: \"edges\": {} is not two vertices such as \"AB\"", where, edge.dump());
      }
      if (seen.emplace(std::min(a, b), std::max(a, b)).second) puzzle.edges.emplace_back(a, b);
    }
    return puzzle;
  }
};

}  // namespace
}  // namespace fulgur::graph_coloring

namespace fulgur {
std::unique_ptr<Task> MakeGraphColoring() { return std::make_unique<graph_coloring::GraphColoring>(); }
}  // namespace fulgur
