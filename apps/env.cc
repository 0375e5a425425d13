// fulgur env: the tasks, sample problems, and scores of given answers.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/error.h"
#include "base/json.h"
#include "envs/describe.h"
#include "envs/instance.h"
#include "envs/task.h"
#include "train/conversation.h"

namespace fulgur {
namespace {

void List(bool json) {
  for (const Task* task : AllTasks()) {
    if (json) {
      const Json line = {{"task", task->name()},
                         {"description", task->description()},
                         {"min_difficulty", task->min_difficulty()},
                         {"max_difficulty", task->max_difficulty()},
                         {"nano_difficulty", task->nano_difficulty()},
                         {"data", DataForm(*task)}};
      fmt::print("{}\n", line.dump());
    } else {
      fmt::print("{:<20} {} (difficulty {} to {})\n", task->name(), task->description(), task->min_difficulty(),
                 task->max_difficulty());
    }
  }
}

void Describe(const std::string& name, bool markdown) {
  if (markdown && name.empty()) {
    fmt::print("{}", DescribeAllTasks());
  } else if (!name.empty()) {
    fmt::print("{}", markdown ? DescribeAsMarkdown(GetTask(name)) : DescribeAsText(GetTask(name)));
  } else {
    for (const Task* task : AllTasks())
      fmt::print("{}{}", task == AllTasks().front() ? "" : "\n", DescribeAsText(*task));
  }
}

struct SampleOptions {
  std::string task, split;
  int difficulty = 0, count = 1;
  uint64_t seed = 0;
  bool solution = false, json = false;
};

void Sample(const SampleOptions& options) {
  const Task& task = GetTask(options.task);
  const int difficulty = options.difficulty == 0 ? task.min_difficulty() : options.difficulty;
  for (int i = 0; i < options.count; ++i) {
    const uint64_t seed = options.seed + static_cast<uint64_t>(i);
    const TaskInstance instance = options.split == "train"  ? GenerateTrain(task, seed, difficulty)
                                  : options.split == "test" ? GenerateTest(task, seed, difficulty)
                                                            : task.Generate(seed, difficulty);
    const Solution solution = options.solution ? task.Solve(instance) : Solution{};
    if (options.json) {
      Json line = InstanceToJson(instance);
      if (options.solution) {
        line["thinking"] = solution.thinking;
        line["answer"] = solution.answer;
      }
      fmt::print("{}\n", line.dump());
    } else {
      fmt::print("{}# {} difficulty {} seed {}\n{}\n", i == 0 ? "" : "\n", instance.task, instance.difficulty,
                 instance.seed, instance.prompt);
      if (options.solution) fmt::print("\n{}\n", AssistantText(solution.thinking, solution.answer));
    }
  }
}

Score ScoreLine(const std::string& text, const std::string& where) {
  const Json line = ParseJson(text, where);
  const Task& task = GetTask(JsonGet<std::string>(line, "task", where));
  const std::string response = JsonGet<std::string>(line, "response", where);
  if (!line.contains("data")) {
    const int64_t difficulty = JsonGet<int64_t>(line, "difficulty", where);
    if (difficulty < task.min_difficulty() || difficulty > task.max_difficulty()) {
      throw Error("{}: task {} has no difficulty {}", where, task.name(), difficulty);
    }
    if (!line.contains("seed")) {
      throw Error("{}: there must be either \"data\" or \"seed\" and \"difficulty\"", where);
    }
    return task.Verify(task.Generate(SeedFromJson(line["seed"], where), static_cast<int>(difficulty)), response);
  }
  return task.Verify(InstanceFromJson(line, where), response);
}

void VerifyLines(const std::string& path) {
  std::ifstream file;
  if (!path.empty() && path != "-") {
    file.open(path);
    if (!file) throw Error("{}: cannot be read", path);
  }
  std::istream& input = file.is_open() ? file : std::cin;
  const std::string name = file.is_open() ? path : "standard input";
  int64_t lines = 0, failed = 0;
  for (std::string text; std::getline(input, text);) {
    ++lines;
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json result;
    try {
      const Score score = ScoreLine(text, fmt::format("{} line {}", name, lines));
      result = {{"score", score.value}, {"reason", score.reason}};
    } catch (const Error& error) {
      ++failed;
      result = {{"line", lines}, {"error", error.what()}};
    }
    fmt::print("{}\n", result.dump(-1, ' ', false, Json::error_handler_t::replace));
    std::fflush(stdout);
  }
  if (input.bad()) throw Error("{}: cannot be read", name);
  if (failed > 0) throw Error("{} of {} lines could not be scored", failed, lines);
}

}  // namespace

void AddEnv(CLI::App& app) {
  CLI::App* env = app.add_subcommand("env", "Tasks: list them, sample problems, score answers");
  env->require_subcommand(1);

  CLI::App* list = env->add_subcommand("list", "Name and describe all tasks");
  const auto json = std::make_shared<bool>(false);
  list->add_flag("--json", *json, "One JSON object a line");
  SetAction(*list, [=] { List(*json); });

  CLI::App* describe = env->add_subcommand("describe", "Say what the data of a task's instances consists of");
  const auto task = std::make_shared<std::string>();
  const auto markdown = std::make_shared<bool>(false);
  describe->add_option("task", *task, "Name of the task (default: all)");
  describe->add_flag("--markdown", *markdown, "As a page of the documentation");
  SetAction(*describe, [=] { Describe(*task, *markdown); });

  CLI::App* sample = env->add_subcommand("sample", "Print problems of a task");
  const auto options = std::make_shared<SampleOptions>();
  sample->add_option("--task", options->task, "Name of the task")->required();
  sample->add_option("--difficulty", options->difficulty, "Difficulty (default: the task's easiest)")
      ->check(WholeNumber(1, 1000));
  sample->add_option("--seed", options->seed, "Seed of the first problem; the next has seed + 1")->check(Seed());
  sample->add_option("--count", options->count, "How many problems")->check(WholeNumber(1, 1000000000));
  sample->add_flag("--solution", options->solution, "With the worked solution and the answer");
  sample->add_option("--split", options->split, "Only problems that training may see, or only held-out ones")
      ->check(CLI::IsMember({"train", "test"}));
  sample->add_flag("--json", options->json, "One JSON object a line");
  SetAction(*sample, [=] { Sample(*options); });

  CLI::App* verify = env->add_subcommand(
      "verify", "Score answers: JSON lines {task, response, and seed + difficulty or data} in, {score, reason} out");
  const auto path = std::make_shared<std::string>();
  verify->add_option("input", *path, "File of JSON lines (default: standard input)");
  SetAction(*verify, [=] { VerifyLines(*path); });
}

}  // namespace fulgur
