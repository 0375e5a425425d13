// The commands that README.md shows, run as they are written there.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "tests/command.h"

namespace fulgur {
namespace {

namespace fs = std::filesystem;

// A folder that looks like the repository from inside, except that what is written there goes away.
class ReadmeTest : public testing::Test {
 protected:
  ReadmeTest() {
    for (const char* name : {"models", "configs"})
      fs::create_symlink(fs::path(FULGUR_SOURCE_DIR) / name, folder_ / name);
  }

  // Arguments of a line, split as a shell does with double quotes and comments.
  static std::vector<std::string> Split(const std::string& line) {
    std::vector<std::string> words;
    bool quoted = false, word = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
        if (!word) words.emplace_back();
        word = true;
      } else if (!quoted && c == '#') {
        break;
      } else if (!quoted && c == ' ') {
        word = false;
      } else {
        if (!word) words.emplace_back();
        word = true;
        words.back() += c;
      }
    }
    return words;
  }

  // The commands of README.md, without ./run; those from the first `train` on (inclusive), or those before it.
  static std::vector<std::vector<std::string>> Commands(bool training) {
    std::vector<std::vector<std::string>> commands;
    std::istringstream readme(ReadFile(fs::path(FULGUR_SOURCE_DIR) / "README.md"));
    bool after = false;
    for (std::string line; std::getline(readme, line);) {
      if (!line.starts_with("    ./run ")) continue;
      std::vector<std::string> command = Split(line.substr(10));
      if (command[0] == "serve") continue;  // does not end by itself; server_test.cc runs it
      after |= command[0] == "train";
      if (after == training) commands.push_back(std::move(command));
    }
    return commands;
  }

  void Run(const std::vector<std::vector<std::string>>& commands) {
    for (const auto& command : commands) {
      const CommandResult result = RunFulgur(command, "What is 1 + 2?\n", folder_.string());
      EXPECT_EQ(result.status, 0) << testing::PrintToString(command) << "\n" << result.err;
      EXPECT_NE(result.out, "") << testing::PrintToString(command);
    }
  }

  TestFolder test_folder_;
  const fs::path& folder_ = test_folder_.path();
};

TEST_F(ReadmeTest, CommandsWork) {
  const auto commands = Commands(/*training=*/false);
  EXPECT_GE(commands.size(), 8u);
  Run(commands);
}

TEST_F(ReadmeTest, SlowTrainingCommandsWork) {
  const auto commands = Commands(/*training=*/true);
  EXPECT_GE(commands.size(), 2u);
  Run(commands);
}

}  // namespace
}  // namespace fulgur
