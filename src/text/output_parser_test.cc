#include "text/output_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace fulgur {
namespace {

std::vector<Json> Lines(const std::string& name) {
  const std::string path = FULGUR_SOURCE_DIR "/tests/data/text/" + name;
  const std::string text = ReadFile(path);
  std::vector<Json> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    lines.push_back(ParseJson(text.substr(begin, end - begin), path));
    begin = end + 1;
  }
  return lines;
}

ParsedOutput Stream(const std::vector<std::string>& pieces, bool starts_in_thinking = false) {
  StreamingOutputParser parser(starts_in_thinking);
  ParsedOutput out;
  const auto add = [&](const StreamingOutputParser::Delta& delta) {
    out.reasoning += delta.reasoning;
    out.content += delta.content;
    out.tool_calls.insert(out.tool_calls.end(), delta.tool_calls.begin(), delta.tool_calls.end());
  };
  for (const std::string& piece : pieces) add(parser.Push(piece));
  add(parser.Finish());
  return out;
}

std::vector<std::string> Characters(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) out.emplace_back(1, c);
  return out;
}

Json ToJson(const ParsedOutput& parsed) {
  Json calls = Json::array();
  for (const ToolCall& call : parsed.tool_calls) calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
  const auto text = [](const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); };
  return {{"reasoning", text(parsed.reasoning)}, {"content", text(parsed.content)}, {"tool_calls", calls}};
}

TEST(OutputParserTest, WholeOutputs) {
  const std::vector<Json> lines = Lines("tool_calls.jsonl");
  EXPECT_GT(lines.size(), 60u);
  for (const Json& line : lines) {
    EXPECT_EQ(ToJson(ParseOutput(line["model_output"].get<std::string>())), line["expected"]) << line["name"];
  }
}

TEST(OutputParserTest, StreamedOutputs) {
  const std::vector<Json> lines = Lines("tool_calls_stream.jsonl");
  EXPECT_GT(lines.size(), 40u);
  for (const Json& line : lines) {
    EXPECT_EQ(ToJson(Stream(line["deltas"].get<std::vector<std::string>>())), line["expected"]) << line["name"];
  }
}

TEST(OutputParserTest, AnyCutGivesTheSame) {
  std::mt19937 random(1);
  std::vector<std::string> outputs;
  for (const Json& line : Lines("tool_calls.jsonl")) outputs.push_back(line["model_output"].get<std::string>());
  // And sequences of everything that means something, in any order.
  const std::vector<std::string> parts = {"<think>",
                                          "</think>",
                                          "<tool_calls>",
                                          "</tool_calls>",
                                          "\n",
                                          " ",
                                          "a",
                                          "<",
                                          "</",
                                          "<tool_",
                                          "calls>",
                                          "{\"name\": \"f\", \"arguments\": {}}",
                                          "{\"name\": 1}",
                                          "}"};
  for (int i = 0; i < 1000; ++i) {
    std::string output;
    for (int k = 0; k < 12; ++k) output += parts[random() % parts.size()];
    outputs.push_back(output);
  }
  for (const std::string& output : outputs) {
    const Json whole = ToJson(ParseOutput(output));
    EXPECT_EQ(ToJson(Stream(Characters(output))), whole) << output;
    std::vector<std::string> pieces;
    for (size_t begin = 0; begin < output.size();) {
      const size_t length = random() % 12;
      pieces.push_back(output.substr(begin, length));
      begin += pieces.back().size();
    }
    EXPECT_EQ(ToJson(Stream(pieces)), whole) << output;
    EXPECT_EQ(ToJson(Stream(pieces, /*starts_in_thinking=*/true)), ToJson(ParseOutput("<think>" + output))) << output;
  }
}

TEST(OutputParserTest, EmitsAsSoonAsItIsSure) {
  StreamingOutputParser parser;
  EXPECT_EQ(parser.Push("<think>\nLet").reasoning, "Let");
  EXPECT_EQ(parser.Push(" me").reasoning, " me");
  EXPECT_EQ(parser.Push(" \n</thi").reasoning, "");
  EXPECT_EQ(parser.Push("s <b").reasoning, " \n</this <b");
  EXPECT_EQ(parser.Push("\n</think>\n\nYes").content, "Yes");
  EXPECT_EQ(parser.Push(", it is <").content, ", it is");
  EXPECT_EQ(parser.Push("tool_").content, "");
  EXPECT_EQ(parser.Push("x").content, " <tool_x");
  EXPECT_EQ(parser.Push("\n<tool_calls>\n{\"name\": \"f\", \"arg").content, "");
  EXPECT_TRUE(parser.Push("uments\": {\"a\": [1]}}").tool_calls.empty());
  const StreamingOutputParser::Delta call = parser.Push("\n");
  ASSERT_EQ(call.tool_calls.size(), 1u);
  EXPECT_EQ(call.tool_calls[0].name, "f");
  EXPECT_EQ(call.tool_calls[0].arguments, Json({{"a", {1}}}));
  EXPECT_EQ(parser.Push("</tool_calls> more").content, "");
  EXPECT_EQ(parser.Finish().content, "");
}

// Calls as their parts say, whole: name and text of the arguments.
std::vector<std::pair<std::string, std::string>> CallParts(const std::vector<std::string>& pieces) {
  StreamingOutputParser parser(StreamingOutputParser::Options{.call_parts = true});
  std::vector<std::pair<std::string, std::string>> calls;
  bool open = false;
  const auto add = [&](const StreamingOutputParser::Delta& delta) {
    for (const StreamingOutputParser::CallPart& part : delta.call_parts) {
      EXPECT_NE(part.begin, open);
      if (part.begin) calls.emplace_back(part.name, "");
      EXPECT_EQ(part.index, calls.size() - 1);
      calls.back().second += part.arguments;
      open = !part.end;
    }
  };
  for (const std::string& piece : pieces) add(parser.Push(piece));
  add(parser.Finish());
  EXPECT_FALSE(open);
  return calls;
}

TEST(OutputParserTest, PartsOfCallsAreTheCalls) {
  std::mt19937 random(5);
  int calls = 0;
  for (const Json& line : Lines("tool_calls.jsonl")) {
    const std::string output = line["model_output"].get<std::string>();
    SCOPED_TRACE(output);
    const auto whole = CallParts({output});
    EXPECT_EQ(CallParts(Characters(output)), whole);
    std::vector<std::string> pieces;
    for (size_t begin = 0; begin < output.size(); begin += pieces.back().size()) {
      pieces.push_back(output.substr(begin, 1 + random() % 12));
    }
    EXPECT_EQ(CallParts(pieces), whole);
    // Every call is among them, in order; what else is there began like one.
    size_t next = 0;
    for (const ToolCall& call : ParseOutput(output).tool_calls) {
      ++calls;
      const auto is_it = [&](const auto& parts) {
        return parts.first == call.name && Json::parse(parts.second, nullptr, false) == call.arguments;
      };
      while (next < whole.size() && !is_it(whole[next])) ++next;
      ASSERT_LT(next, whole.size()) << call.name;
      ++next;
    }
  }
  EXPECT_GT(calls, 40);
}

TEST(OutputParserTest, PartsComeAsTheyAreWritten) {
  StreamingOutputParser parser(StreamingOutputParser::Options{.call_parts = true});
  EXPECT_TRUE(parser.Push("<tool_calls>\n{\"name\": \"f\", \"arguments\": ").call_parts.empty());
  const auto begin = parser.Push("{\"a\": \"}x").call_parts;
  ASSERT_EQ(begin.size(), 2u);
  EXPECT_EQ(begin[0].name, "f");
  EXPECT_EQ(begin[1].arguments, "{\"a\": \"}x");
  EXPECT_EQ(parser.Push("y\"}").call_parts.at(0).arguments, "y\"}");
  EXPECT_TRUE(parser.Push("}").call_parts.empty());
  EXPECT_TRUE(parser.Push("\n").call_parts.at(0).end);
}

// As a server reads an answer that was cut off after so many bytes.
struct Read {
  std::string reasoning, content;
  std::vector<bool> complete;  // of each call
};
Read ReadCut(const std::string& text, bool cut, bool tool_calls = true) {
  StreamingOutputParser parser(StreamingOutputParser::Options{
      .thinks_first = true, .tool_calls = tool_calls, .call_parts = true, .tags_in_content = false});
  Read read;
  const auto add = [&](const StreamingOutputParser::Delta& delta) {
    read.reasoning += delta.reasoning;
    read.content += delta.content;
    for (const StreamingOutputParser::CallPart& part : delta.call_parts) {
      if (part.end) read.complete.push_back(part.complete);
    }
  };
  for (const std::string& piece : Characters(text)) add(parser.Push(piece));
  add(parser.Finish(cut));
  return read;
}

TEST(OutputParserTest, WhereverAnOutputIsCutNoTagShows) {
  const std::string text =
      "<think>\na thought\n</think>\n\nHere:\n\n<tool_calls>\n{\"name\": \"f\", \"arguments\": {\"x\": \"}\"}}\n"
      "{\"name\": \"g\", \"arguments\": {}}\n</tool_calls>";
  for (size_t n = 0; n <= text.size(); ++n) {
    SCOPED_TRACE(text.substr(0, n));
    const Read read = ReadCut(text.substr(0, n), /*cut=*/true);
    EXPECT_TRUE(std::string("a thought").starts_with(read.reasoning)) << read.reasoning;
    EXPECT_TRUE(std::string("Here:").starts_with(read.content)) << read.content;
    // A call is complete from its last brace on.
    for (size_t i = 0; i < read.complete.size(); ++i) {
      const size_t end = text.find("}\n", text.find(i == 0 ? "\"f\"" : "\"g\"")) + 1;
      EXPECT_EQ(read.complete[i], n >= end) << i;
    }
  }
  // Not cut, the same ends are the text that they are.
  EXPECT_EQ(ReadCut("<thin", false).content, "<thin");
  EXPECT_EQ(ReadCut("a <tool_", false).content, "a <tool_");
  EXPECT_EQ(ReadCut("a <tool_", true).content, "a");
  EXPECT_EQ(ReadCut("a <tool_", true, /*tool_calls=*/false).content, "a <tool_");
  EXPECT_EQ(ReadCut("<think>a </thi", false).reasoning, "a </thi");
}

TEST(OutputParserTest, ABlockWithoutACall) {
  const std::string block = "a\n<tool_calls>\n{\"name\": f}\n</tool_calls>";
  EXPECT_EQ(ParseOutput(block).content, block);
  EXPECT_EQ(ReadCut(block, false).content, "a\n\n{\"name\": f}");  // its tags are left out, nothing else
  EXPECT_EQ(ReadCut(block + "\nb", true).content, "a\n\n{\"name\": f}\n\nb");
  EXPECT_EQ(ReadCut(block + "\nb<tool_calls>\n{\"na", true).content, "a\n\n{\"name\": f}\n\nb");
}

TEST(OutputParserTest, WhereTheContentEnds) {
  const std::string text = "<think>\nr\n</think>\n\n one <b> two \n<tool_calls>";
  for (const bool trim_end : {true, false}) {
    StreamingOutputParser parser(StreamingOutputParser::Options{.thinks_first = true, .trim_end = trim_end});
    std::string content;
    for (size_t i = 0; i < text.size(); ++i) {
      const auto delta = parser.Push(text.substr(i, 1));
      content += delta.content;
      if (delta.content.empty()) continue;
      EXPECT_EQ(text.substr(delta.content_end - content.size(), content.size()), content);
      EXPECT_EQ(delta.content_end, i + 1 - parser.undecided());
    }
    EXPECT_EQ(content, trim_end ? "one <b> two" : "one <b> two \n");
    EXPECT_TRUE(parser.content_over());
  }
}

TEST(OutputParserTest, OptionsOfTheBeginning) {
  using Options = StreamingOutputParser::Options;
  const auto parse = [](Options options, const std::string& text) {
    ParsedOutput out;
    StreamingOutputParser parser(options);
    for (const std::string& piece : Characters(text)) {
      const auto delta = parser.Push(piece);
      out.reasoning += delta.reasoning;
      out.content += delta.content;
    }
    const bool held = out.content.empty();
    const auto delta = parser.Finish();
    out.content += delta.content;
    out.reasoning += delta.reasoning;
    return std::pair(out, held);
  };
  const Options first{.thinks_first = true};
  EXPECT_EQ(parse(first, "\n<think>a</think>b").first.reasoning, "a");
  EXPECT_EQ(parse(first, "a</think>b").first.content, "a</think>b");
  EXPECT_FALSE(parse(first, "<thin, and so on").second);  // not held to the end
  EXPECT_TRUE(parse({}, "<thin, and so on").second);
  EXPECT_EQ(parse({.start = Options::Start::kAnswer}, " a").first.content, "a");
  EXPECT_EQ(parse({.start = Options::Start::kMidAnswer}, " a").first.content, " a");
  EXPECT_EQ(parse({.start = Options::Start::kThinking}, "a</think>b").first.reasoning, "a");
  const std::string block = "<tool_calls>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_calls>";
  EXPECT_EQ(parse({.start = Options::Start::kAnswer, .tool_calls = false}, block).first.content, block);
}

TEST(OutputParserTest, ThinkTagsInOddPlaces) {
  const auto parse = [](const std::string& text) { return ToJson(ParseOutput(text)); };
  EXPECT_EQ(parse("a</think>b<think>c"),
            Json({{"reasoning", "c"}, {"content", "a</think>b"}, {"tool_calls", Json::array()}}));
  EXPECT_EQ(parse("a</think>b</think>c"),
            Json({{"reasoning", "a"}, {"content", "b</think>c"}, {"tool_calls", Json::array()}}));
  const std::string block = "<tool_calls>{\"name\": \"f\", \"arguments\": {}}</tool_calls>";
  EXPECT_EQ(parse("<think>a</think>b<think>" + block + "</think>"),
            Json({{"reasoning", "a"}, {"content", "b<think>" + block + "</think>"}, {"tool_calls", Json::array()}}));
  EXPECT_EQ(ParseOutput("r</think>x" + block + "<think>").tool_calls.size(), 1u);
  EXPECT_EQ(ParseOutput("r</think>x" + block + "<think>").reasoning, "r");
}

TEST(OutputParserTest, HostileJson) {
  std::string deep = "<tool_calls>\n{\"name\": \"f\", \"arguments\": ";
  for (int i = 0; i < 100'000; ++i) deep += '[';
  for (int i = 0; i < 100'000; ++i) deep += ']';
  EXPECT_TRUE(ParseOutput(deep + "}\n</tool_calls>").tool_calls.empty());
  EXPECT_TRUE(ParseOutput("<tool_calls>\n{\"name\": \"\xff\", \"arguments\": 1}\n").tool_calls.empty());
  EXPECT_TRUE(ParseOutput("<tool_calls>\n{\"name\": \"f\", \"arguments\": 1e999}\n").tool_calls.empty());
  // Large outputs take time in proportion.
  std::string lines = "<tool_calls>";
  for (int i = 0; i < 200'000; ++i) lines += "\n<";
  EXPECT_EQ(ParseOutput(lines).content.size(), lines.size());
}

}  // namespace
}  // namespace fulgur
