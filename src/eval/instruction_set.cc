// IFEval and IFBench.
#include <algorithm>

#include "base/error.h"
#include "envs/instructions/instructions.h"
#include "eval/benchmark.h"

namespace fulgur {

namespace {

class InstructionSet : public Benchmark {
 public:
  explicit InstructionSet(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  BenchmarkPreset official() const override { return {.temperature = 0, .top_p = 1}; }

  std::vector<BenchmarkItem> Read(const BenchmarkFile& file) const override {
    const std::vector<std::string> known = InstructionIds();
    std::vector<BenchmarkItem> items;
    for (size_t i = 0; i < file.size(); ++i) {
      const std::vector<std::string> ids = file.Texts(i, "instruction_id_list");
      const Json kwargs = file.Value(i, "kwargs");
      if (!kwargs.is_array() || kwargs.size() != ids.size() || ids.empty()) {
        throw Error("{}: {} instructions and {} in \"kwargs\"", file.Where(i), ids.size(), kwargs.size());
      }
      for (const std::string& id : ids) {
        if (!std::binary_search(known.begin(), known.end(), id)) {
          throw Error("{}: there is no instruction \"{}\"", file.Where(i), id);
        }
      }
      items.push_back({file.TextOr(i, {"key"}, std::to_string(i + 1)),
                       "",
                       {{"prompt", file.Text(i, {"prompt"})}, {"ids", ids}, {"kwargs", kwargs}}});
    }
    return items;
  }
  Json Messages(const BenchmarkItem& item, int64_t, const PromptFile*) const override {
    return Json::array({{{"role", "user"}, {"content", item.record["prompt"]}}});
  }
  // Official and strict are the same: all instructions are followed, to the letter.
  BenchmarkScore Score(const BenchmarkItem& item, int64_t, const BenchmarkAnswer& answer) const override {
    BenchmarkScore score;
    Json strict = Json::array(), loose = Json::array();
    bool all = true;
    for (size_t k = 0; k < item.record["ids"].size(); ++k) {
      const Instruction instruction{item.record["ids"][k].get<std::string>(), item.record["kwargs"][k]};
      strict.push_back(FollowsStrict(instruction, answer.content));
      loose.push_back(FollowsLoose(instruction, answer.content));
      if (!strict.back().get<bool>()) {
        all = false;
        score.why += (score.why.empty() ? "not followed: " : ", ") + instruction.id;
      }
    }
    score.official = score.strict = all;
    if (!answer.content.empty()) score.answer = all ? "followed" : "not followed";
    score.details = {{"strict", strict}, {"loose", loose}};
    return score;
  }
  Json Table(const std::vector<std::pair<const BenchmarkItem*, const BenchmarkScore*>>& scores) const override {
    Json table = Json::object();
    std::map<std::string, std::pair<int64_t, int64_t>> kinds;  // followed, of
    for (const char* form : {"strict", "loose"}) {
      int64_t prompts = 0, instructions = 0, of = 0;
      for (const auto& [item, score] : scores) {
        if (!score->details.contains(form)) continue;
        bool all = true;
        for (size_t k = 0; k < score->details[form].size(); ++k) {
          const bool followed = score->details[form][k].get<bool>();
          all &= followed;
          instructions += followed;
          ++of;
          if (form == std::string("strict")) {
            auto& kind = kinds[item->record["ids"][k].get<std::string>()];
            kind.first += followed;
            ++kind.second;
          }
        }
        prompts += all;
      }
      const auto share = [](int64_t part, int64_t all) {
        return all == 0 ? Json() : Json(static_cast<double>(part) / static_cast<double>(all));
      };
      table[std::string("prompt ") + form] = share(prompts, static_cast<int64_t>(scores.size()));
      table[std::string("instruction ") + form] = share(instructions, of);
    }
    for (const auto& [id, counts] : kinds) {
      table[id] = std::to_string(counts.first) + "/" + std::to_string(counts.second);
    }
    return table;
  }

 private:
  std::string name_;
};

}  // namespace

std::unique_ptr<Benchmark> MakeInstructionSet(std::string name) {
  return std::make_unique<InstructionSet>(std::move(name));
}

}  // namespace fulgur
