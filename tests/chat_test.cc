// `fulgur chat` at a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "base/test_folder.h"
#include "tests/pseudo_terminal.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kNano = FULGUR_SOURCE_DIR "/models/nano";
constexpr const char* kPrompt = "> ";
constexpr const char* kFigures = "tokens/s";  // in the line after an answer

PseudoTerminal Chat(const TestFolder& home, int columns = 80, std::vector<std::string> more = {}) {
  std::vector<std::string> args{"chat", kNano, "--seed", "1"};
  args.insert(args.end(), more.begin(), more.end());
  return PseudoTerminal(args, home.path(), columns);
}

// Up to the line after the answer.
std::string Answer(PseudoTerminal& chat) {
  std::string shown = chat.Until(kFigures);
  shown += chat.Until("\n" + std::string(kPrompt));
  return shown;
}

std::string Pasted(const std::string& text) { return "\033[200~" + text + "\033[201~"; }

std::string History(const TestFolder& home) { return ReadFile(home / "fulgur/history"); }

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

// With either of libedit's key maps, and whatever line breaks the terminal sends.
TEST(Chat, APasteOfSeveralLinesIsOneMessage) {
  for (const char* keys : {"bind -e\n", "bind -v\n"}) {
    const TestFolder home;
    WriteFileAtomic(home / ".editrc", keys);
    PseudoTerminal chat = Chat(home);
    EXPECT_THAT(chat.Until(kPrompt), HasSubstr("\033[?2004h")) << keys;
    chat.Type("Well: " + Pasted("what is\r\n3 + 4?\rPut it\nin \\boxed{}.\\\r"));
    chat.Until("in \\boxed{}.");
    chat.Type("\r");
    std::string shown = Answer(chat);
    // A pasted command is a question, a typed one a command.
    chat.Type(Pasted("/exit\r/reset now\r") + "\r");
    shown += Answer(chat);
    chat.Type("/exit\r");
    shown += chat.Rest();
    EXPECT_EQ(Count(shown, kFigures), 2) << shown;
    EXPECT_THAT(shown, AllOf(Not(HasSubstr("200~")), Not(HasSubstr("201~")), HasSubstr("\033[?2004l")));
    EXPECT_THAT(History(home),
                HasSubstr("\nWell:\\040what\\040is\\0123\\040+\\0404?\\012Put\\040it\\012in\\040\\134boxed{}."
                          "\\134\n/exit\\012/reset\\040now\n/exit\n"))
        << keys;
  }
}

TEST(Chat, KeysTypedDuringAnAnswerWaitForTheNextLine) {
  const TestFolder home;
  WriteFileAtomic(home / "long.json", R"({"type": "array", "items": {"const": "again"}, "minItems": 900})");
  PseudoTerminal chat = Chat(home, 80, {"--json-schema", home / "long.json"});
  chat.Until(kPrompt);
  chat.Type("/try 1\r");
  chat.Until("/try 1");
  chat.Next(200);  // the answer has begun
  chat.Type("/budget 7");
  const std::string answer = chat.Until(kFigures);
  EXPECT_THAT(answer, Not(HasSubstr("budget")));
  chat.Until(kPrompt);
  chat.Until("/budget 7");
  chat.Type("\r");
  chat.Until("at most 7 thinking tokens");
  // Ctrl-C stops an answer, and what was typed before it is still there.
  chat.Type("/try 1\r");
  chat.Until("/try 1");
  chat.Next(200);  // the answer has begun
  chat.Type("/budget 8");
  chat.Type("\003");
  chat.Until("stopped");
  chat.Until("/budget 8");
}

TEST(Chat, TheBudgetIsAnswered) {
  const TestFolder home;
  PseudoTerminal chat = Chat(home);
  chat.Until(kPrompt);
  const auto say = [&](const std::string& line) {
    chat.Type(line + "\r");
    return PlainText(chat.Until("\n" + std::string(kPrompt)));
  };
  EXPECT_THAT(say("/budget 20"), HasSubstr("at most 20 thinking tokens an answer from here on"));
  EXPECT_THAT(say("/budget 1"), HasSubstr("at most 1 thinking token an answer"));
  EXPECT_THAT(say("/budget 1x"), HasSubstr("must be a number of tokens, not \"1x\"; it stays 1 thinking token"));
  EXPECT_THAT(say("/budget 0"), HasSubstr("without thinking"));
  EXPECT_THAT(say("/budget"), HasSubstr("no limit for the thinking"));
}

TEST(Chat, TheFirstLinesSayWhatTheModelCanDo) {
  const TestFolder home;
  PseudoTerminal chat = Chat(home);
  const std::string first = PlainText(chat.Until("\n" + std::string(kPrompt)));
  for (const Json& task : ReadJsonFile(std::filesystem::path(kNano) / "tasks.json")) {
    std::string words = task.get<std::string>();
    std::replace(words.begin(), words.end(), '_', ' ');
    EXPECT_THAT(first, HasSubstr(words.substr(0, words.find(' '))));
  }
  for (const char* example : {"/try 1 ", "/try 2 ", "/try 3 "}) EXPECT_THAT(first, HasSubstr(example));
  // An example is asked by its number; /try shows others.
  chat.Type("/try 3\r");
  EXPECT_THAT(PlainText(chat.Until(kFigures)), HasSubstr("boxed"));
  chat.Until(kPrompt);
  chat.Type("/try\r");
  const std::string others = PlainText(chat.Until("\n" + std::string(kPrompt)));
  EXPECT_THAT(others, HasSubstr("/try 3 "));
  EXPECT_THAT(first, Not(HasSubstr(others.substr(others.find("/try 1 "), 40))));
  chat.Type("/try 4\r");
  chat.Until("a number from 1 to 3");
}

TEST(Chat, HelloIsAnsweredByTheProgramWhereTheModelSolvesProblemsOnly) {
  const TestFolder home;
  PseudoTerminal chat = Chat(home);
  chat.Until(kPrompt);
  for (const char* text : {"hello", "Hi there, who are you?", "thank you!"}) {
    chat.Type(std::string(text) + "\r");
    const std::string shown = chat.Until("\n" + std::string(kPrompt));
    EXPECT_THAT(shown, AllOf(HasSubstr("not the model"), Not(HasSubstr(kFigures)))) << text;
  }
  // Sent again it is the model's; and a problem always is.
  chat.Type("thank you!\r");
  chat.Until(kFigures);
  chat.Until(kPrompt);
  PseudoTerminal other = Chat(home);
  other.Until(kPrompt);
  other.Type("3 + 4\r");
  EXPECT_THAT(other.Until(kFigures), Not(HasSubstr("not the model")));
}

TEST(Chat, AModelOfUnknownTasksIsNotSpokenFor) {
  const TestFolder home;
  std::filesystem::create_directories(home / "mine");
  for (const auto& entry : std::filesystem::directory_iterator(kNano)) {
    if (entry.path().filename() == "tasks.json") continue;
    std::filesystem::create_symlink(entry.path(), home / "mine" / entry.path().filename());
  }
  PseudoTerminal chat({"chat", (home / "mine").string()}, home.path());
  EXPECT_THAT(PlainText(chat.Until("\n" + std::string(kPrompt))), AllOf(HasSubstr("mine"), Not(HasSubstr("/try"))));
  chat.Type("/try 1\r");
  chat.Until("no tasks.json");
  chat.Type("hello\r");
  chat.Until(kFigures);
}

TEST(Chat, TwoWindowsShareTheHistory) {
  const TestFolder home;
  {
    PseudoTerminal one = Chat(home), two = Chat(home);
    one.Until(kPrompt);
    two.Until(kPrompt);
    const auto say = [](PseudoTerminal& chat, const std::string& line) {
      chat.Type(line + "\r");
      chat.Until("\n" + std::string(kPrompt));
    };
    say(one, "/budget 1");
    say(two, "/budget 2 ä\\ ö");
    say(two, "b");
    say(one, "/budget 3");
    say(one, "/budget 3");
    one.Type("/exit\r");
    two.Type("/exit\r");
    one.Rest();
    two.Rest();
  }
  EXPECT_THAT(History(home), AllOf(HasSubstr("/budget\\0401\n"), HasSubstr("/budget\\0402\\040ä\\134\\040ö\nb\n"),
                                   HasSubstr("/budget\\0403\n")));
  EXPECT_EQ(Count(History(home), "0403"), 1);
  // libedit reads it: what was said last comes first.
  PseudoTerminal chat = Chat(home);
  chat.Until(kPrompt);
  for (int i = 0; i < 9; ++i) chat.Type("\033[A");
  chat.Type("\r");
  chat.Until("at most 1 thinking token ");
}

TEST(Chat, ALongHistoryIsCut) {
  const TestFolder home;
  std::filesystem::create_directories(home / "fulgur");
  std::string lines = "_HiStOrY_V2_\n";
  for (int i = 0; i < 2500; ++i) lines += fmt::format("/budget\\040{}\n", i);
  WriteFileAtomic(home / "fulgur/history", lines);
  PseudoTerminal chat = Chat(home);
  chat.Until(kPrompt);
  EXPECT_EQ(Count(History(home), "\n"), 1001);
  EXPECT_THAT(History(home),
              AllOf(testing::StartsWith("_HiStOrY_V2_\n/budget\\0401500\n"), testing::EndsWith("2499\n")));
  chat.Type("\033[A\r");
  chat.Until("at most 2499");
}

TEST(Chat, LinesFitFortyColumns) {
  const TestFolder home;
  PseudoTerminal chat = Chat(home, 40);
  std::string shown = chat.Until("\n" + std::string(kPrompt));
  for (const char* line : {"/help", "/try", "/budget 20", "/budget", "/budget many", "/reset", "/system Be brief.",
                           "/nothing-of-that-name", "/try 9", "hello"}) {
    chat.Type(std::string(line) + "\r");
    shown += chat.Until("\n" + std::string(kPrompt));
  }
  chat.Type("/try 1\r");
  shown += chat.Until("\n" + std::string(kPrompt));
  std::istringstream lines(PlainText(shown));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_LE(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }), 40) << line;
  }
  EXPECT_GT(count, 40);
}

}  // namespace
}  // namespace fulgur
