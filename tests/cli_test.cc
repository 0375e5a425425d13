// The command line from outside: help, version, exit status, and messages that name what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "tests/command.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Subcommands that a help text lists.
std::vector<std::string> Subcommands(const std::string& help) {
  std::vector<std::string> names;
  std::istringstream lines(help);
  std::string line;
  bool listed = false;
  while (std::getline(lines, line)) {
    std::smatch match;
    if (std::regex_match(line, std::regex("subcommands:", std::regex::icase))) {
      listed = true;
    } else if (listed && std::regex_search(line, match, std::regex("^  ([a-z][a-z0-9-]*)"))) {
      names.push_back(match[1]);
    }
  }
  return names;
}

// Every command with its parents: {"chat"}, {"debug", "forward"}, ...
void CollectCommands(const std::vector<std::string>& parents, std::vector<std::vector<std::string>>* commands) {
  std::vector<std::string> args = parents;
  args.push_back("--help");
  for (const std::string& name : Subcommands(RunFulgur(args).out)) {
    std::vector<std::string> command = parents;
    command.push_back(name);
    commands->push_back(command);
    CollectCommands(command, commands);
  }
}

std::vector<std::vector<std::string>> AllCommands() {
  std::vector<std::vector<std::string>> commands;
  CollectCommands({}, &commands);
  return commands;
}

TEST(Cli, Version) {
  const CommandResult result = RunFulgur({"--version"});
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(std::regex_match(result.out, std::regex("[0-9]+\\.[0-9]+\\.[0-9]+\n"))) << result.out;
}

TEST(Cli, NoArgumentsSaysWhatThereIs) {
  const CommandResult result = RunFulgur({});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("subcommand"));
}

TEST(Cli, UnknownCommandIsNamed) {
  const CommandResult result = RunFulgur({"frobnicate"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("frobnicate"));
}

TEST(Cli, TheSettledCommandsAreThere) {
  std::vector<std::string> names = Subcommands(RunFulgur({"--help"}).out);
  EXPECT_THAT(names,
              testing::IsSupersetOf({"chat", "generate", "inspect", "new-model", "train", "eval", "env", "debug"}));
}

TEST(Cli, EveryCommandHasHelp) {
  const auto commands = AllCommands();
  EXPECT_GT(commands.size(), 10u);
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    const CommandResult result = RunFulgur(command);
    EXPECT_EQ(result.status, 0) << testing::PrintToString(command);
    EXPECT_THAT(result.out, HasSubstr("--help")) << testing::PrintToString(command);
    EXPECT_THAT(result.out, Not(testing::StartsWith("\n"))) << "no description: " << testing::PrintToString(command);
    EXPECT_THAT(result.err, IsEmpty()) << testing::PrintToString(command);
  }
}

TEST(Cli, EveryCommandNamesAnUnknownOption) {
  for (std::vector<std::string> command : AllCommands()) {
    command.push_back("--no-such-option");
    const CommandResult result = RunFulgur(command);
    EXPECT_EQ(result.status, 1) << testing::PrintToString(command) << result.err;
    EXPECT_THAT(result.err, Not(IsEmpty())) << testing::PrintToString(command);
    EXPECT_THAT(result.out, IsEmpty()) << testing::PrintToString(command);
  }
}

TEST(Cli, AModelThatIsNotThereIsNamed) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"inspect", "no/such/model"},
                                                  {"chat", "no/such/model", "--prompt", "x"},
                                                  {"generate", "no/such/model", "--prompt", "x"},
                                                  {"eval", "no/such/model", "--task", "all"}}) {
    const CommandResult result = RunFulgur(command);
    EXPECT_EQ(result.status, 1) << command[0];
    EXPECT_THAT(result.err, AllOf(testing::StartsWith("fulgur: "), HasSubstr("no/such/model"))) << command[0];
    EXPECT_THAT(result.out, IsEmpty()) << command[0];
  }
}

}  // namespace
}  // namespace fulgur
