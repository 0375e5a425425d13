// fulgur sandbox: what contains untrusted programs here, and one run in it.
#include "sandbox/sandbox.h"

#include <fmt/core.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "sandbox/red_team.h"

namespace fulgur {
namespace {

struct DoctorOptions {
  bool json = false;
};

void RunDoctor(const DoctorOptions& o) {
  const SandboxProbe probe = ProbeSandbox();
  Json attacks = Json::array();
  int refused = 0, tried = 0;
  std::string through;
  if (probe.contained) {
    Sandbox sandbox(1);
    if (!o.json) fmt::print("Programs are run as {}; memory is limited by {}.\n", probe.user, probe.tier);
    for (const Attack& attack : kAttacks) {
      const AttackResult result = TryAttack(sandbox, attack);
      ++tried;
      refused += result.refused ? 1 : 0;
      if (!result.refused) through += fmt::format("{}{}", through.empty() ? "" : ", ", attack.name);
      attacks.push_back(
          {{"name", attack.name}, {"what", attack.what}, {"refused", result.refused}, {"how", result.how}});
      if (!o.json) {
        fmt::print("  {:<8} {:<23} {} ({})\n", result.refused ? "refused" : "NOT", attack.name, attack.what,
                   result.how);
      }
    }
  }
  const bool contained = probe.contained && refused == tried;
  std::string missing = probe.missing;
  if (!through.empty()) missing = "these attacks got through: " + through;
  if (o.json) {
    const Json report = {{"contained", contained}, {"missing", missing}, {"tier", probe.tier}, {"user", probe.user},
                         {"tried", tried},         {"refused", refused}, {"attacks", attacks}};
    fmt::print("{}\n", report.dump(2));
  }
  if (!contained) throw Error("not contained: {}", missing);
  if (!o.json) fmt::print("Contained: {} attacks were tried and refused.\n", refused);
}

struct RunOptions {
  std::string profile = "judge", input;
  double cpu = 0, memory = 0;
  bool json = false;
  std::vector<std::string> files, command;
};

SandboxFile ReadInputFile(const std::string& option) {
  const size_t colon = option.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == option.size()) {
    throw Error("--file {}: must be FROM:TO, a file here and its path in the sandbox", option);
  }
  const std::filesystem::path from = option.substr(0, colon);
  const auto mode = std::filesystem::status(from).permissions();
  return {option.substr(colon + 1), ReadFile(from),
          (mode & std::filesystem::perms::owner_exec) != std::filesystem::perms::none};
}

SandboxRun MakeRun(const RunOptions& o) {
  const auto profile = o.profile == "judge"        ? SandboxProfile::kJudge
                       : o.profile == "repository" ? SandboxProfile::kRepository
                                                   : SandboxProfile::kCompile;
  SandboxRun run = MakeSandboxRun(profile, o.command);
  if (o.cpu > 0) {
    run.limits.cpu_seconds = o.cpu;
    run.limits.wall_seconds = WallLimit(o.cpu);
  }
  if (o.memory > 0) run.limits.memory_bytes = std::llround(o.memory);
  if (!o.input.empty()) run.input = ReadFile(o.input);
  for (const std::string& file : o.files) run.files.push_back(ReadInputFile(file));
  return run;
}

void RunOnce(const RunOptions& o) {
  const SandboxRun run = MakeRun(o);
  Sandbox sandbox(1);
  const SandboxOutcome outcome = sandbox.Run(run).get();
  if (o.json) {
    Json line = {{"end", RunEndName(outcome.end)},
                 {"exit_code", outcome.end == RunEnd::kExit ? Json(outcome.exit_code) : Json()},
                 {"out", outcome.out},
                 {"err", outcome.err},
                 {"cpu", outcome.cpu_seconds},
                 {"wall", outcome.wall_seconds},
                 {"peak_memory", outcome.peak_memory},
                 {"tier", SandboxTier()}};
    if (outcome.signal != 0) line["signal"] = outcome.signal;
    if (!outcome.problem.empty()) line["problem"] = outcome.problem;
    fmt::print("{}\n", line.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    std::fwrite(outcome.out.data(), 1, outcome.out.size(), stdout);
    std::fflush(stdout);
    std::fwrite(outcome.err.data(), 1, outcome.err.size(), stderr);
    fmt::print(stderr, "{}{}, {:.3f} s of CPU, {:.3f} s, {:.1f} MiB\n", RunEndName(outcome.end),
               outcome.end == RunEnd::kExit     ? fmt::format(" {}", outcome.exit_code)
               : outcome.end == RunEnd::kSignal ? fmt::format(" {}", outcome.signal)
                                                : "",
               outcome.cpu_seconds, outcome.wall_seconds, static_cast<double>(outcome.peak_memory) / (1 << 20));
  }
  if (outcome.end == RunEnd::kInfrastructure) throw Error("the run failed: {}", outcome.problem);
}

}  // namespace

void AddSandbox(CLI::App& app) {
  CLI::App* sandbox = app.add_subcommand("sandbox", "Run untrusted programs, contained");
  sandbox->require_subcommand(1);

  CLI::App* doctor =
      sandbox->add_subcommand("doctor", "Says whether programs are contained here, and tries to break out");
  const auto d = std::make_shared<DoctorOptions>();
  doctor->add_flag("--json", d->json, "One JSON object");
  SetAction(*doctor, [d] { RunDoctor(*d); });

  CLI::App* run = sandbox->add_subcommand("run", "Runs one program in the sandbox");
  const auto r = std::make_shared<RunOptions>();
  run->add_option("--profile", r->profile, "What it may do")
      ->check(CLI::IsMember({"judge", "repository", "compile"}))
      ->capture_default_str();
  run->add_option("--cpu", r->cpu, "Seconds of CPU time (default: the profile's)")->check(CLI::PositiveNumber);
  run->add_option("--memory", r->memory, "Bytes of memory (default: the profile's)")->check(CLI::PositiveNumber);
  run->add_flag("--json", r->json, "One JSON object");
  run->add_option("--stdin", r->input, "A file as its standard input")->check(CLI::ExistingFile);
  run->add_option("--file", r->files, "FROM:TO, a file and its path in the sandbox; relative paths are below /tmp")
      ->allow_extra_args(false);
  run->add_option("command", r->command, "After --: the program and its arguments; no shell")->required();
  SetAction(*run, [r] { RunOnce(*r); });
}

}  // namespace fulgur
