// fulgur code: programs as answers: judged by tests, and the tests judged themselves.
#include <fmt/core.h>

#include <deque>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "apps/commands.h"
#include "base/background_threads.h"
#include "base/error.h"
#include "base/file.h"
#include "base/records.h"
#include "code/admit.h"
#include "code/code_judge.h"
#include "text/output_format.h"

namespace fulgur {
namespace {

struct CodeOptions {
  std::string problems, answers, scoring = "complete", out, cache;
  bool json = false, first_failure = false, no_cache = false;
  int threads = 0;
};

CodeJudgeOptions JudgeOptions(const CodeOptions& o) {
  CodeJudgeOptions options;
  options.partial = o.scoring == "partial";
  options.all_tests = !o.first_failure;
  options.threads = o.threads;
  if (!o.cache.empty()) options.cache = o.cache;
  if (o.no_cache) options.cache.clear();
  return options;
}

// Does jobs side by side and takes their results in order. As many are under way as there are threads, and as many
// wait.
template <typename Result>
void InOrder(int threads, size_t count, const std::function<Result(size_t)>& job,
             const std::function<void(size_t, Result)>& take) {
  BackgroundThreads background(threads);
  std::deque<std::future<Result>> under_way;
  size_t begun = 0;
  for (size_t i = 0; i < count; ++i) {
    for (; begun < count && under_way.size() < 2 * static_cast<size_t>(threads); ++begun) {
      under_way.push_back(background.Run([&job, begun] { return job(begun); }));
    }
    std::future<Result> first = std::move(under_way.front());
    under_way.pop_front();
    take(i, first.get());
  }
}

struct Answer {
  Json id;
  const CodeProblem* problem = nullptr;
  std::string response;
  std::optional<ProgramText> program;
  std::string problem_with_it;  // then its score is 0
};

Answer ReadAnswer(const Json& line, const std::string& where,
                  const std::map<std::string, const CodeProblem*>& problems) {
  Answer answer;
  if (!line.contains("id")) throw Error("{}: there is no \"id\"", where);
  answer.id = line["id"];
  const auto found = problems.find(IdText(answer.id));
  if (found == problems.end()) throw Error("{}: there is no problem with the id {}", where, answer.id.dump());
  answer.problem = found->second;
  const bool code = line.contains("code"), response = line.contains("response");
  if (code == response) throw Error("{}: there must be either a \"response\" or a \"code\"", where);
  if (response) {
    answer.response = AfterThinking(JsonGetOr<std::string>(line, "response", "", where));
    return answer;
  }
  answer.program.emplace();
  answer.program->code = JsonGetOr<std::string>(line, "code", "", where);
  answer.program->language = GuessLanguage(*answer.problem, answer.program->code);
  if (line.contains("language") && !line["language"].is_null()) {
    const auto name = JsonGet<std::string>(line, "language", where);
    const auto language = LanguageFromName(name);
    if (language) {
      answer.program->language = *language;
    } else {
      answer.problem_with_it = fmt::format("the language \"{}\" is not judged; python3, cpp and lua are", name);
    }
  }
  return answer;
}

CodeVerdict JudgeAnswer(CodeJudge& judge, const Answer& answer) {
  if (!answer.problem_with_it.empty()) {
    CodeVerdict verdict;
    verdict.score = 0;
    verdict.tests = static_cast<int64_t>(answer.problem->tests.size());
    verdict.end = "none";
    verdict.reason = answer.problem_with_it;
    return verdict;
  }
  return answer.program ? judge.Judge(*answer.problem, *answer.program)
                        : judge.JudgeResponse(*answer.problem, answer.response);
}

void PrintLine(const Json& line) {
  fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::fflush(stdout);
}

void RunJudge(const CodeOptions& o) {
  const std::vector<CodeProblem> problems = ReadCodeProblems(o.problems);
  std::map<std::string, const CodeProblem*> by_id;
  for (const CodeProblem& problem : problems) by_id[IdText(problem.id)] = &problem;
  const Records lines(o.answers, "");
  std::vector<Answer> answers;
  for (size_t i = 0; i < lines.size(); ++i) answers.push_back(ReadAnswer(lines.Get(i), lines.Where(i), by_id));
  CodeJudge judge(JudgeOptions(o));
  double sum = 0;
  int64_t solved = 0, unjudged = 0;
  InOrder<CodeVerdict>(
      judge.threads(), answers.size(), [&](size_t i) { return JudgeAnswer(judge, answers[i]); },
      [&](size_t i, const CodeVerdict& verdict) {
        PrintLine({{"id", answers[i].id},
                   {"score", verdict.score ? Json(*verdict.score) : Json()},
                   {"passed", verdict.passed},
                   {"tests", verdict.tests},
                   {"end", verdict.end},
                   {"reason", verdict.reason}});
        sum += verdict.score.value_or(0);
        solved += verdict.score.value_or(0) >= 1 ? 1 : 0;
        unjudged += verdict.score ? 0 : 1;
      });
  if (!o.json) {
    fmt::print(stderr, "{} answers, {} solved, mean score {:.3f}\n", answers.size(), solved,
               sum / static_cast<double>(answers.size()));
  }
  if (unjudged > 0) throw Error("{} answers have no score, because the sandbox or a checker failed", unjudged);
}

void RunAdmit(const CodeOptions& o) {
  const std::vector<CodeProblem> problems = ReadCodeProblems(o.problems);
  const Records lines(o.problems, "");
  CodeJudgeOptions options = JudgeOptions(o);
  options.all_tests = options.partial = false;
  CodeJudge judge(options);
  std::string admitted;
  int64_t count = 0;
  InOrder<Admission>(
      judge.threads(), problems.size(), [&](size_t i) { return Admit(judge, problems[i]); },
      [&](size_t i, const Admission& admission) {
        PrintLine({{"id", problems[i].id},
                   {"admitted", admission.admitted},
                   {"reason", admission.reason},
                   {"tests", problems[i].tests.size()},
                   {"incorrect", admission.incorrect},
                   {"mutants", admission.mutants},
                   {"forgeable", problems[i].forgeable},
                   {"format", problems[i].format}});
        if (!admission.admitted) return;
        ++count;
        admitted += lines.Get(i).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
      });
  if (!o.out.empty()) WriteFileAtomic(o.out, admitted);
  if (!o.json) fmt::print(stderr, "{} of {} problems hold\n", count, problems.size());
}

void AddShared(CLI::App* command, const std::shared_ptr<CodeOptions>& o) {
  command->add_option("--problems", o->problems, "Problems, JSON lines of a format in docs/code.md")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--threads", o->threads, "Runs at a time (default: as many as there are processors)")
      ->check(CLI::Range(1, 1024));
  command->add_option("--cache", o->cache, "Folder of compiled programs (default: ~/.cache/fulgur/programs)");
  command->add_flag("--no-cache", o->no_cache, "Keep no compiled programs");
  command->add_flag("--json", o->json, "Nothing but the JSON lines");
}

}  // namespace

void AddCode(CLI::App& app) {
  CLI::App* code = app.add_subcommand("code", "Judge programs by tests, in the sandbox");
  code->require_subcommand(1);

  CLI::App* judge = code->add_subcommand("judge", "Scores answers: a JSON line for each");
  const auto j = std::make_shared<CodeOptions>();
  AddShared(judge, j);
  judge->add_option("--answers", j->answers, "JSON lines of {id, response} or {id, code, language}")
      ->required()
      ->check(CLI::ExistingFile);
  judge->add_option("--scoring", j->scoring, "complete: 1 if all tests pass; partial: the share of them")
      ->check(CLI::IsMember({"complete", "partial"}))
      ->capture_default_str();
  judge->add_flag("--first-failure", j->first_failure, "Stop at the first test that fails");
  SetAction(*judge, [j] { RunJudge(*j); });

  CLI::App* admit = code->add_subcommand("admit", "Says which problems' tests can be believed");
  const auto a = std::make_shared<CodeOptions>();
  AddShared(admit, a);
  admit->add_option("--out", a->out, "Where the problems that hold are written");
  SetAction(*admit, [a] { RunAdmit(*a); });
}

}  // namespace fulgur
