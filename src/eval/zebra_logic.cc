#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "eval/benchmark.h"
#include "eval/official_rules.h"
#include "text/python_text.h"

namespace fulgur::official {

namespace {

// The last complete {...}, braces counted wherever they stand.
std::optional<std::string_view> LastBraces(std::string_view text) {
  std::optional<std::string_view> last;
  size_t begin = 0;
  int64_t open = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && open++ == 0) begin = i;
    if (text[i] == '}' && open > 0 && --open == 0) last = text.substr(begin, i + 1 - begin);
  }
  return last;
}

std::string Cell(const Json& text) { return std::string(python::Strip(python::Lower(text.get<std::string>()))); }

bool HasLength(const Json& value) { return value.is_string() || value.is_array() || value.is_object(); }

// Whether a cell of the answer's table says the truth; `raises` where Python does.
bool CellIsRight(const Json& said, const Json& truth, std::optional<Raises>* raises) {
  if (said.is_null()) return false;
  if (!HasLength(said)) {
    *raises = Raises{"TypeError"};
    return false;
  }
  if (said.empty() || (said.is_string() && said.get_ref<const std::string&>().empty())) return false;
  if (said.is_object()) {
    *raises = Raises{"ValueError"};
    return false;
  }
  const Json& first = said.is_array() ? said[0] : said;
  if (!first.is_string()) {
    *raises = Raises{"AttributeError"};
    return false;
  }
  return Cell(first) == Cell(truth);
}

// `key in container`, then container[key]: the member, or nullptr for none. A text or a list that holds the key raises,
// since it is then indexed by a text; what cannot be searched raises too.
const Json* Member(const Json& container, const std::string& key, std::optional<Raises>* raises) {
  if (container.is_object()) {
    const auto found = container.find(key);
    return found == container.end() ? nullptr : &*found;
  }
  const bool holds = container.is_string() ? container.get_ref<const std::string&>().find(key) != std::string::npos
                     : container.is_array()
                         ? std::find(container.begin(), container.end(), Json(key)) != container.end()
                         : true;
  if (holds) *raises = Raises{"TypeError"};
  return nullptr;
}

}  // namespace

ZebraScore ScoreZebra(const Json& solution, std::string_view response) {
  ZebraScore score;
  const Json& header = solution.at("header");
  const Json& rows = solution.at("rows");
  score.total_cells = static_cast<int64_t>(rows.size() * (header.size() - 1));
  const std::optional<std::string_view> braces = LastBraces(response);
  if (!braces) return score;
  const std::optional<Json> answer = python::ParseJson(python::Replace(*braces, "\n", ""));
  if (!answer || !answer->contains("solution") || (*answer)["solution"].is_null()) return score;
  score.parsed = true;
  if (answer->contains("reasoning") && !HasLength((*answer)["reasoning"])) {
    score.raises = Raises{"TypeError"};
    return score;
  }
  const Json& table = (*answer)["solution"];
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t column = 1; column < header.size(); ++column) {
      const Json* house = Member(table, fmt::format("House {}", row + 1), &score.raises);
      const Json* cell = house != nullptr ? Member(*house, header[column].get<std::string>(), &score.raises) : nullptr;
      if (cell != nullptr) score.correct_cells += CellIsRight(*cell, rows[row][column], &score.raises);
      if (score.raises) return score;
    }
  }
  score.solved = score.correct_cells == score.total_cells;
  return score;
}

Json ZebraTable(std::span<const std::pair<std::string, ZebraScore>> scores_by_size) {
  struct Group {
    const char* name;
    std::vector<std::string_view> sizes;
    int64_t puzzles = 0, solved = 0;
  };
  std::array<Group, 6> groups = {{
      {"Easy Puzzle Acc", {"2*2", "2*3", "2*4", "2*5", "2*6", "3*2", "3*3"}},
      {"Hard Puzzle Acc",
       {"3*4", "3*5", "4*2", "3*6", "4*3", "4*4", "5*2", "6*2", "4*5", "4*6", "5*3", "5*4", "5*5", "5*6", "6*3", "6*4",
        "6*5", "6*6"}},
      {"Small Puzzle Acc", {"2*2", "2*3", "2*4", "2*5", "2*6", "3*2", "3*3", "4*2"}},
      {"Medium Puzzle Acc", {"3*4", "3*5", "3*6", "4*3", "4*4", "5*2", "6*2"}},
      {"Large Puzzle Acc", {"4*5", "5*3", "4*6", "5*4", "6*3"}},
      {"XL Puzzle Acc", {"5*5", "6*4", "5*6", "6*5", "6*6"}},
  }};
  int64_t solved = 0, cells = 0, right_cells = 0, no_answer = 0;
  for (const auto& [size, score] : scores_by_size) {
    solved += score.solved;
    cells += score.total_cells;
    right_cells += score.correct_cells;
    no_answer += !score.parsed;
    for (Group& group : groups) {
      if (std::find(group.sizes.begin(), group.sizes.end(), size) == group.sizes.end()) continue;
      ++group.puzzles;
      group.solved += score.solved;
    }
  }
  const auto percent = [](int64_t part, int64_t all) {
    return all == 0 ? Json()
                    : Json(fmt::format("{:.2f}", 100 * (static_cast<double>(part) / static_cast<double>(all))));
  };
  const auto puzzles = static_cast<int64_t>(scores_by_size.size());
  Json table = {{"Puzzle Acc", percent(solved, puzzles)},
                {"Cell Acc", percent(right_cells, cells)},
                {"No answer", percent(no_answer, puzzles)}};
  for (const Group& group : groups) table[group.name] = percent(group.solved, group.puzzles);
  table["Total Puzzles"] = puzzles;
  return table;
}

}  // namespace fulgur::official

namespace fulgur {

namespace {

// The last {...} with a "solution", braces in strings not counted; nullopt without one.
std::optional<Json> LastSolution(const std::string& text) {
  std::optional<Json> last;
  for (size_t begin = text.find('{'); begin != std::string::npos; begin = text.find('{', begin + 1)) {
    bool in_string = false;
    int64_t open = 0;
    for (size_t i = begin; i < text.size(); ++i) {
      const char c = text[i];
      if (in_string && c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = !in_string;
      } else if (!in_string && c == '{') {
        ++open;
      } else if (!in_string && c == '}' && --open == 0) {
        std::optional<Json> object = python::ParseJson(python::Replace(text.substr(begin, i + 1 - begin), "\n", " "));
        if (object && object->is_object() && object->contains("solution") && (*object)["solution"].is_object()) {
          last = std::move(object);
          begin = i;
        }
        break;
      }
    }
  }
  return last;
}

class ZebraLogic : public Benchmark {
 public:
  std::string name() const override { return "zebralogic"; }
  std::string prompt_name() const override { return "zebralogic"; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1, .max_tokens = 4096}; }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      const Json solution = file.Value(i, "solution");
      if (!solution.contains("header") || !solution.contains("rows") || solution["rows"].empty()) {
        throw Error("{}: \"solution\" has no \"header\" and \"rows\"", file.Where(i));
      }
      for (const Json& row : solution["rows"]) {
        if (row.size() != solution["header"].size())
          throw Error("{}: a row is not as long as the header", file.Where(i));
        for (const Json& cell : row) {
          if (!cell.is_string()) throw Error("{}: a cell of the solution is no text", file.Where(i));
          if (cell == "___") {
            throw Error("{}: the solution is blank; the public file has none, the gated copy of the set does",
                        file.Where(i));
          }
        }
      }
      items.push_back({file.Text(i, {"id"}),
                       file.Text(i, {"size"}),
                       {{"puzzle", file.Text(i, {"puzzle"})}, {"solution", solution}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile* prompt) const override {
    const Json& solution = item.record["solution"];
    Json houses = Json::object();
    for (size_t row = 0; row < solution["rows"].size(); ++row) {
      Json& house = houses["House " + std::to_string(row + 1)];
      for (size_t column = 1; column < solution["header"].size(); ++column) {
        house[solution["header"][column].get<std::string>()] = "___";
      }
    }
    return prompt->Messages({{"puzzle", item.record["puzzle"].get<std::string>()},
                             {"json_template", Json{{"reasoning", "___"}, {"solution", houses}}.dump(4)}});
  }
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    const Json& solution = item.record["solution"];
    const official::ZebraScore official = official::ScoreZebra(solution, answer.content);
    score.official = official.solved;
    score.details = {
        {"parsed", official.parsed}, {"correct_cells", official.correct_cells}, {"total_cells", official.total_cells}};
    if (official.raises) score.why = "the official code stops here with " + official.raises->exception;
    if (const std::optional<Json> said = LastSolution(answer.content)) {
      score.answer = (*said)["solution"].dump();
      const official::ZebraScore ours = official::ScoreZebra(solution, Json{{"solution", (*said)["solution"]}}.dump());
      score.strict = ours.solved;
      score.details["strict_cells"] = ours.correct_cells;
      if (!ours.solved && score.why.empty()) {
        score.why = fmt::format("{} of {} cells are right", ours.correct_cells, ours.total_cells);
      }
    }
    return score;
  }
  Json Table(const std::vector<std::pair<const BenchmarkItem*, const BenchmarkScore*>>& scores) const override {
    std::vector<std::pair<std::string, official::ZebraScore>> by_size;
    for (const auto& [item, score] : scores) {
      official::ZebraScore s;
      s.parsed = score->details.value("parsed", false);
      s.correct_cells = score->details.value("correct_cells", int64_t{0});
      s.total_cells = score->details.value("total_cells", int64_t{0});
      s.solved = score->official == 1;
      by_size.emplace_back(item->group, s);
    }
    return official::ZebraTable(by_size);
  }
};

}  // namespace

std::unique_ptr<Benchmark> MakeZebraLogic() { return std::make_unique<ZebraLogic>(); }

}  // namespace fulgur
