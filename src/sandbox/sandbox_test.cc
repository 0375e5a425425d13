#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "sandbox/red_team.h"

namespace fulgur {
namespace {

const SandboxProbe& Probed() {
  static const SandboxProbe probe = ProbeSandbox();
  return probe;
}

#define SKIP_UNLESS_CONTAINED() \
  if (!Probed().contained) GTEST_SKIP() << Probed().missing

class RedTeamTest : public testing::TestWithParam<Attack> {};

TEST_P(RedTeamTest, IsRefused) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  const AttackResult result = TryAttack(sandbox, GetParam());
  EXPECT_TRUE(result.refused) << GetParam().what << ": " << result.how;
}

INSTANTIATE_TEST_SUITE_P(All, RedTeamTest, testing::ValuesIn(kAttacks),
                         [](const auto& info) { return std::string(info.param.name); });

SandboxOutcome RunProgram(SandboxProfile profile, std::vector<std::string> command, double cpu = 5) {
  static Sandbox sandbox(2);
  SandboxRun run = MakeSandboxRun(profile, std::move(command));
  run.limits.cpu_seconds = cpu;
  run.limits.wall_seconds = 60;
  return sandbox.Run(std::move(run)).get();
}

SandboxOutcome Shell(const std::string& script, double cpu = 5) {
  return RunProgram(SandboxProfile::kRepository, {"bash", "-c", script}, cpu);
}

TEST(SandboxTest, ProgramGetsItsArgumentsInputAndFiles) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  SandboxRun run = MakeSandboxRun(SandboxProfile::kRepository,
                                  {"bash", "-c", "cat; cat given /deep/er/given; echo $0 $VALUE >&2; exit 3", "a b"});
  run.input = "input\n";
  run.files = {{"given", "relative\n", false}, {"/deep/er/given", "absolute\n", false}};
  run.environment = {"VALUE=c"};
  const SandboxOutcome outcome = sandbox.Run(run).get();
  EXPECT_EQ(outcome.end, RunEnd::kExit) << outcome.problem;
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.out, "input\nrelative\nabsolute\n");
  EXPECT_EQ(outcome.err, "a b c\n");
}

TEST(SandboxTest, SaysHowARunEnded) {
  SKIP_UNLESS_CONTAINED();
  EXPECT_EQ(Shell("kill -SEGV $$").signal, SIGSEGV);
  EXPECT_EQ(Shell("kill -KILL $$").end, RunEnd::kSignal);
  EXPECT_EQ(Shell("while :; do :; done", 0.2).end, RunEnd::kCpu);
  EXPECT_EQ(Shell("head -c 3000000 /dev/zero").end, RunEnd::kOutput);
  EXPECT_EQ(Shell("head -c 1000000 /dev/zero").end, RunEnd::kExit);
  const SandboxOutcome missing = RunProgram(SandboxProfile::kJudge, {"no-such-program"});
  EXPECT_EQ(missing.end, RunEnd::kInfrastructure);
  EXPECT_TRUE(missing.not_found);
  EXPECT_THAT(missing.problem, testing::HasSubstr("no-such-program"));
}

TEST(SandboxTest, CpuTimeOfAllProcessesCounts) {
  SKIP_UNLESS_CONTAINED();
  const SandboxOutcome outcome =
      Shell("for i in 1 2 3 4 5 6 7 8; do bash -c 'for ((n=0;n<100000000;n++)); do :; done' & done; wait", 0.5);
  EXPECT_EQ(outcome.end, RunEnd::kCpu);
  EXPECT_GT(outcome.cpu_seconds, 0.5);
}

TEST(SandboxTest, FilesAreReadBack) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  SandboxRun run = MakeSandboxRun(SandboxProfile::kRepository, {"bash", "-c", "echo a > one; mkdir d; echo b > d/two"});
  run.collect = {"one", "d/two", "none", "../usr/bin/env"};
  const SandboxOutcome outcome = sandbox.Run(run).get();
  ASSERT_EQ(outcome.collected.size(), 2u);
  EXPECT_EQ(outcome.collected[0].content, "a\n");
  EXPECT_EQ(outcome.collected[1].content, "b\n");
}

TEST(SandboxTest, NothingStaysFromRunToRun) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  const SandboxRun first =
      MakeSandboxRun(SandboxProfile::kRepository, {"bash", "-c", "echo x > /tmp/left; sleep 100 &"});
  EXPECT_EQ(sandbox.Run(first).get().end, RunEnd::kExit);
  const SandboxRun second =
      MakeSandboxRun(SandboxProfile::kRepository, {"bash", "-c", "ls -A /tmp; echo /proc/[0-9]*"});
  EXPECT_EQ(sandbox.Run(second).get().out, "/proc/1 /proc/2\n");
}

TEST(SandboxTest, AFileThatRunsShareStaysAsItIs) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);  // one launcher, so that its runs have the same file
  const auto shared = std::make_shared<SharedBytes>(SharedBytes{1000, "shared\n"});
  SandboxRun run = MakeSandboxRun(
      SandboxProfile::kRepository,
      {"bash", "-c",
       "f=/in/shared; (echo x > $f || echo x >> $f || chmod 777 $f || rm -f $f || mv $f $f.b || ln $f /tmp/l || "
       "truncate -s 0 $f || touch -d 2000-01-01 $f) 2>/dev/null && echo CHANGED; cat $f; stat -c '%a %s' $f"});
  run.files = {{"/in/shared", "", true, shared}, {"/in/own", "own\n", false}};
  EXPECT_EQ(sandbox.Run(run).get().out, "shared\n555 7\n");
  EXPECT_EQ(sandbox.Run(run).get().out, "shared\n555 7\n");
  for (const char* to : {"shared", "/tmp/shared"}) {
    run.files = {{to, "", true, shared}};
    EXPECT_THAT([&] { sandbox.Run(run); }, testing::ThrowsMessage<Error>(testing::HasSubstr(to)));
  }
}

TEST(SandboxTest, TwoRunsTalkToEachOther) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  int there[2], back[2];
  ASSERT_EQ(pipe2(there, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(back, O_CLOEXEC), 0);
  SandboxRun asks = MakeSandboxRun(SandboxProfile::kJudge, {"bash", "-c", "echo 20; read x; echo got $x >&2"});
  asks.input_fd = back[0];
  asks.output_fd = there[1];
  SandboxRun answers = MakeSandboxRun(SandboxProfile::kJudge, {"bash", "-c", "read x; echo $((x + 1))"});
  answers.input_fd = there[0];
  answers.output_fd = back[1];
  const auto [asked, answered] = sandbox.RunPair(asks, answers).get();
  EXPECT_EQ(asked.err, "got 21\n") << asked.problem;
  EXPECT_EQ(answered.end, RunEnd::kExit);
}

TEST(SandboxTest, RunsThatCannotBeAreErrors) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  const auto refused = [&](SandboxRun run, const char* why) {
    EXPECT_THAT([&] { sandbox.Run(run); }, testing::ThrowsMessage<Error>(testing::HasSubstr(why)));
  };
  refused(MakeSandboxRun(SandboxProfile::kJudge, {}), "name of a program");
  SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, {"true"});
  run.files = {{"/usr/bin/true", "", true}};
  refused(run, "/usr/bin/true");
  run.files = {{"../x", "", true}};
  refused(run, "../x");
  run.files.clear();
  run.limits.cpu_seconds = 0;
  refused(run, "time limits");
}

// What a process holds.
struct Holdings {
  size_t descriptors = 0, children = 0, mounts = 0;
  int64_t memory = 0;
  bool operator==(const Holdings& other) const {
    return descriptors == other.descriptors && children == other.children && mounts == other.mounts;
  }
};
std::ostream& operator<<(std::ostream& out, const Holdings& h) {
  return out << h.descriptors << " descriptors, " << h.children << " children, " << h.mounts << " mounts";
}
Holdings Held() {
  const auto words = [](const std::string& path) {
    std::ifstream file(path);
    return std::vector<std::string>(std::istream_iterator<std::string>(file), {});
  };
  Holdings held;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    held.descriptors += entry.exists() ? 1 : 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    held.children += words((task.path() / "children").string()).size();
  }
  held.mounts = words("/proc/self/mounts").size();
  held.memory = std::stoll(words("/proc/self/statm").at(1)) * sysconf(_SC_PAGESIZE);
  return held;
}

// Hostile and harmless runs by turns, many at a time: this process holds as much at the end as after the first few.
void RunMany(int runs) {
  Sandbox sandbox(4);
  constexpr const char* kHostile[] = {"orphans", "daemon", "fork_bomb", "tmp_files", "kill_all"};
  const auto some = [&](int n) {
    std::deque<std::future<SandboxOutcome>> outcomes;
    for (int i = 0; i < n; ++i) {
      SandboxRun run =
          MakeSandboxRun(SandboxProfile::kRepository, {"/attack", i % 3 == 0 ? kHostile[i / 3 % 5] : "nothing"});
      run.files = {RedTeamFile("/attack")};
      run.limits.tmp_files = 100;
      outcomes.push_back(sandbox.Run(std::move(run)));
      if (outcomes.size() < 64) continue;
      EXPECT_EQ(outcomes.front().get().end, RunEnd::kExit);
      outcomes.pop_front();
    }
    for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().end, RunEnd::kExit);
  };
  some(100);
  const Holdings before = Held();
  some(runs);
  const Holdings after = Held();
  EXPECT_EQ(after, before);
  EXPECT_LT(after.memory, before.memory + (64 << 20));
}

TEST(SandboxTest, ManyRunsLeaveNothing) {
  SKIP_UNLESS_CONTAINED();
  RunMany(100);
}

TEST(SandboxTest, SlowAHundredThousandRunsLeaveNothing) {
  SKIP_UNLESS_CONTAINED();
  RunMany(100'000);
}

// The processes of this machine with that name.
int ProcessesNamed(const std::string& name) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream comm(entry.path() / "comm");
    std::string line;
    count += std::getline(comm, line) && line == name ? 1 : 0;
  }
  return count;
}

TEST(SandboxTest, KilledWithAllThatItStarted) {
  SKIP_UNLESS_CONTAINED();
  const std::string name = fmt::format("fkill-{:x}", getpid());
  const pid_t child = fork();
  if (child == 0) {
    Sandbox sandbox(2);
    std::vector<std::future<SandboxOutcome>> outcomes;
    for (int i = 0; i < 2; ++i) {
      SandboxRun run = MakeSandboxRun(SandboxProfile::kRepository, {"/" + name, "sleep"});
      run.files = {RedTeamFile("/" + name)};
      run.limits.wall_seconds = 1000;
      outcomes.push_back(sandbox.Run(std::move(run)));
    }
    for (auto& outcome : outcomes) outcome.wait();
    _exit(0);
  }
  const auto wait_for = [&](int count) {
    for (int i = 0; i < 3000 && ProcessesNamed(name) != count; ++i) usleep(10'000);
    return ProcessesNamed(name);
  };
  EXPECT_EQ(wait_for(2), 2);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(wait_for(0), 0);
}

TEST(LuaRunnerTest, FuelAndMemoryAreCounted) {
  SKIP_UNLESS_CONTAINED();
  Sandbox sandbox(1);
  const auto lua = [&](const std::string& program, const char* fuel = "1000000", const char* memory = "10000000") {
    SandboxRun run = MakeSandboxRun(SandboxProfile::kJudge, {"/lua", fuel, memory, "/p.lua"});
    run.files = {LuaRunnerFile("/lua"), {"/p.lua", program, false}};
    return sandbox.Run(std::move(run)).get();
  };
  EXPECT_EQ(lua("print(1 + 1)").out, "2\n");
  EXPECT_EQ(lua("while true do end").end, RunEnd::kFuel);
  EXPECT_EQ(lua("pcall(function() while true do end end) print('on')").out, "");
  EXPECT_EQ(lua("coroutine.wrap(function() while true do end end)()").end, RunEnd::kFuel);
  EXPECT_EQ(lua("debug.sethook() while true do end").end, RunEnd::kExit);  // there is no debug.sethook: an error
  EXPECT_EQ(lua("local t = {} for i = 1, 1e9 do t[i] = i end", "1000000000").end, RunEnd::kMemory);
  EXPECT_EQ(lua("string.rep('x', 1 << 30)").end, RunEnd::kMemory);
  const SandboxOutcome failed = lua("error('no')");
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, testing::HasSubstr("no"));
  // The order of a table's keys and the numbers drawn are the same every time.
  const char* order =
      "local t = {} for i = 1, 40 do t['k' .. i] = i end local s = '' for k in pairs(t) do s = s .. k end "
      "print(s, math.random(), tostring({}))";
  EXPECT_EQ(lua(order).out, lua(order).out);
}

}  // namespace
}  // namespace fulgur
