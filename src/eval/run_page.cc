#include "base/error.h"
#include "base/file.h"
#include "eval/benchmark_run.h"
#include "text/python_text.h"

namespace fulgur {

extern const char kRunPage[];
extern const size_t kRunPageSize;

std::string RunPage(const std::filesystem::path& folder) {
  Json samples = Json::array();
  // Prompts of long texts would make the page as large as the data: what is shown of one is bounded.
  constexpr size_t kMostShown = 4000;
  const auto shown = [&](const std::string& text) {
    if (text.size() <= 2 * kMostShown) return text;
    const std::u32string points = python::CodePoints(text);
    if (points.size() <= 2 * kMostShown) return text;
    return python::Utf8(points.substr(0, kMostShown)) +
           fmt::format("\n[... {} characters ...]\n", points.size() - 2 * kMostShown) +
           python::Utf8(points.substr(points.size() - kMostShown));
  };
  BenchmarkTask task(BenchmarkTask::FromDescription(ReadJsonFile(folder / "run.json")));
  const LoadedRun run = LoadRun(folder, [&](size_t item, int64_t sample, const BenchmarkAnswer& answer,
                                            const ScoredSample& scored) {
    Json prompt = Json::array();
    for (const Json& message : task.Question(item, sample).messages) {
      const Json& content = message["content"];
      prompt.push_back({message["role"], shown(content.is_string() ? content.get<std::string>() : content.dump())});
    }
    samples.push_back({{"item", task.items()[item].id},
                       {"group", task.items()[item].group},
                       {"sample", sample},
                       {"state", SampleStateName(scored.state)},
                       {"official", scored.score.official},
                       {"strict", scored.score.strict},
                       {"official_answer", scored.score.official_answer ? Json(*scored.score.official_answer) : Json()},
                       {"answer", scored.score.answer ? Json(*scored.score.answer) : Json()},
                       {"why", scored.score.why},
                       {"prompt", prompt},
                       {"reasoning", answer.reasoning},
                       {"content", answer.content},
                       {"finish", answer.finish},
                       {"prompt_tokens", answer.prompt_tokens},
                       {"cached_tokens", answer.cached_tokens},
                       {"output_tokens", answer.output_tokens},
                       {"thinking_tokens", answer.thinking_tokens}});
  });
  const Json data = {
      {"run", run.description}, {"results", BenchmarkResults(run.task, run.samples)}, {"samples", samples}};
  const std::string text = python::Replace(data.dump(-1, ' ', false, Json::error_handler_t::replace), "</", "<\\/");
  constexpr std::string_view kPlace = "/*DATA*/null";
  std::string page(kRunPage, kRunPageSize);
  const size_t place = page.find(kPlace);
  FULGUR_CHECK(place != std::string::npos);
  return page.replace(place, kPlace.size(), text);
}

}  // namespace fulgur
