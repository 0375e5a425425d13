#include "train/data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/file.h"
#include "base/test_folder.h"
#include "envs/instance.h"
#include "envs/instance_file.h"
#include "envs/task.h"
#include "train/test_util.h"
#include "train/trainer.h"

namespace fulgur {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Permute, IsAPermutationThatDependsOnTheSeed) {
  for (const uint64_t n : {1, 2, 3, 10, 64, 65, 1000}) {
    std::set<uint64_t> seen;
    int moved = 0, differ = 0;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t to = Permute(i, n, 7);
      EXPECT_LT(to, n);
      seen.insert(to);
      moved += to != i;
      differ += to != Permute(i, n, 8);
    }
    EXPECT_EQ(seen.size(), n);
    if (n >= 64) {
      EXPECT_GT(moved, static_cast<int>(n * 9 / 10));
      EXPECT_GT(differ, static_cast<int>(n * 9 / 10));
    }
  }
  EXPECT_LT(Permute((uint64_t{1} << 40) - 1, uint64_t{1} << 40, 1), uint64_t{1} << 40);
}

struct Pipeline {
  TestFolder folder;
  TrainConfig config;
  std::unique_ptr<TextFiles> text;
  std::unique_ptr<RecordEncoder> encoder;
  std::unique_ptr<Mixture> mixture;

  explicit Pipeline(const std::function<void(Json&)>& change = {}) {
    Json json = TinyRun(folder.path());
    std::ofstream lines(folder / "lines.jsonl");
    for (int i = 0; i < 10; ++i) lines << Json{{"text", "line " + std::to_string(i)}}.dump() << "\n";
    lines.close();
    if (change) change(json);
    config = TrainConfig::FromJson(json, "test");
    text = std::make_unique<TextFiles>(TextFiles::FromFolder(config.model.tokenizer));
    encoder = std::make_unique<RecordEncoder>(text->tokenizer, text->chat_template, config.batch.max_length);
    mixture = std::make_unique<Mixture>(TrainingMixture(config));
  }
  BatchPacker MakePacker(const DataState& state = {}) const {
    return BatchPacker(*mixture, *encoder, config.batch, state);
  }
};

void AddLines(Json& json) {
  const std::filesystem::path folder = std::filesystem::path(json["out"].get<std::string>()).parent_path();
  json["data"].push_back({{"type", "text"}, {"path", (folder / "lines.jsonl").string()}, {"weight", 3}});
}

bool Same(const StepData& a, const StepData& b) {
  if (a.micro.size() != b.micro.size() || !(a.after == b.after)) return false;
  for (size_t i = 0; i < a.micro.size(); ++i) {
    if (a.micro[i].tokens != b.micro[i].tokens || a.micro[i].targets != b.micro[i].targets ||
        a.micro[i].starts != b.micro[i].starts) {
      return false;
    }
  }
  return true;
}

TEST(BatchPacker, FillsEachBatchWithWholeDocuments) {
  const Pipeline setup(AddLines);
  BatchPacker packer = setup.MakePacker();
  DataState state;
  uint64_t examples = 0;
  for (int step = 0; step < 5; ++step) {
    const StepData data = packer.Next();
    ASSERT_EQ(data.micro.size(), 2u);
    int64_t tokens = 0, targets = 0;
    for (const TokenBatch& micro : data.micro) {
      EXPECT_LE(static_cast<int64_t>(micro.tokens.size()), setup.config.batch.micro_tokens);
      EXPECT_GT(static_cast<int64_t>(micro.tokens.size()), setup.config.batch.micro_tokens / 2);
      tokens += static_cast<int64_t>(micro.tokens.size());
      targets += micro.targets_counted();
      // The documents are the mixture's examples in order, none missing, none twice, none cut.
      for (size_t d = 0; d + 1 < micro.starts.size(); ++d) {
        std::optional<Example> example;
        while (!example) {
          const Mixture::Draw draw = setup.mixture->Next(state);
          example =
              setup.encoder->Encode(draw.record, setup.mixture->configs()[draw.source], setup.mixture->RandomOf(draw));
        }
        ++examples;
        const std::vector<int32_t> document(micro.tokens.begin() + micro.starts[d],
                                            micro.tokens.begin() + micro.starts[d + 1]);
        ASSERT_EQ(document, example->tokens);
        for (size_t t = 0; t < document.size(); ++t) {
          const bool counted = t + 1 < document.size() && example->counts[t + 1] != 0;
          EXPECT_EQ(micro.targets[static_cast<size_t>(micro.starts[d]) + t], counted ? document[t + 1] : kIgnore);
        }
      }
    }
    EXPECT_EQ(data.tokens, tokens);
    EXPECT_EQ(data.targets, targets);
    EXPECT_EQ(data.after.examples, examples);
    EXPECT_EQ(data.after.drawn[0] + data.after.drawn[1], examples);
  }
  // Weight 3 against 1.
  EXPECT_NEAR(static_cast<double>(state.drawn[1]) / static_cast<double>(state.examples), 0.75, 0.12);
}

TEST(BatchPacker, GoesOnFromAnyState) {
  const Pipeline setup(AddLines);
  BatchPacker whole = setup.MakePacker();
  DataState state;
  for (int step = 0; step < 6; ++step) {
    const StepData expected = whole.Next();
    BatchPacker resumed = setup.MakePacker(DataState::FromJson(state.ToJson(), step == 0 ? 0 : 2, "state"));
    EXPECT_TRUE(Same(resumed.Next(), expected)) << step;
    state = expected.after;
  }
}

TEST(StepQueue, GivesThePackersSteps) {
  const Pipeline setup(AddLines);
  BatchPacker packer = setup.MakePacker();
  StepQueue queue(setup.MakePacker());
  for (int step = 0; step < 6; ++step) EXPECT_TRUE(Same(queue.Next(), packer.Next())) << step;
}

TEST(StepQueue, PassesErrorsOn) {
  // No addition has a solution of so few tokens.
  const Pipeline setup([](Json& json) { json["batch"] = {{"tokens", 16}, {"max_length", 16}}; });
  StepQueue queue(setup.MakePacker());
  EXPECT_THAT(ErrorOf([&] { queue.Next(); }), HasSubstr("max_length = 16"));
  EXPECT_THAT(ErrorOf([&] { queue.Next(); }), HasSubstr("max_length = 16"));
}

TEST(RecordEncoder, CutsTextToAWindow) {
  const Pipeline setup;
  const RecordEncoder encoder(setup.text->tokenizer, setup.text->chat_template, 10);
  SourceConfig source;
  source.type = SourceConfig::Type::kText;
  source.begin = "<begin_of_document>";
  source.end = "<end_of_sentence>";
  const auto short_text = encoder.Encode({{"text", "<think>"}}, source, 0);  // plain text here: 7 bytes
  ASSERT_TRUE(short_text);
  EXPECT_EQ(short_text->tokens.size(), 9u);
  EXPECT_EQ(short_text->tokens.front(), setup.text->tokenizer.Id("<begin_of_document>").value());
  EXPECT_EQ(short_text->tokens.back(), setup.text->tokenizer.Id("<end_of_sentence>").value());
  std::string letters;
  for (int i = 0; i < 100; ++i) letters.push_back(static_cast<char>('!' + i % 90));
  std::set<std::vector<int32_t>> windows;
  for (uint64_t random = 0; random < 50; ++random) {
    const auto window = encoder.Encode({{"text", letters}}, source, random);
    ASSERT_TRUE(window);
    EXPECT_EQ(window->tokens.size(), 10u);
    EXPECT_EQ(window->counts, std::vector<uint8_t>(10, 1));
    windows.insert(window->tokens);
  }
  EXPECT_GT(windows.size(), 20u);
  source.begin = source.end = "";
  EXPECT_FALSE(encoder.Encode({{"text", "x"}}, source, 0));  // nothing to predict
}

TEST(Source, FilesAreShuffledAnewInEveryEpoch) {
  const Pipeline setup(AddLines);
  const auto source = Source::Make(setup.config.data[1], 5, false);
  std::vector<std::string> epochs[2];
  for (uint64_t i = 0; i < 20; ++i) epochs[i / 10].push_back(source->Record(i)["text"]);
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) {
    EXPECT_EQ(std::set<std::string>(epoch.begin(), epoch.end()).size(), 10u);
  }
}

TEST(Source, TasksTrainOnTheirSideOfTheSplit) {
  const Pipeline setup;
  for (const bool held_out : {false, true}) {
    const auto source = Source::Make(setup.config.data[0], 5, held_out);
    for (uint64_t i = 0; i < 50; ++i) {
      const Json record = source->Record(i);
      EXPECT_EQ(record, source->Record(i));
      EXPECT_EQ(record["messages"].size(), 2u);
      const std::string answer = record["messages"][1]["content"];
      EXPECT_TRUE(answer.starts_with("<think>\n")) << answer;
      EXPECT_THAT(answer, HasSubstr("\n</think>\n\n"));
    }
  }
  // A training record is never a held-out one: their prompts' problems differ.
  std::set<std::string> held_out;
  const auto test = Source::Make(setup.config.data[0], 5, true), train = Source::Make(setup.config.data[0], 5, false);
  for (uint64_t i = 0; i < 300; ++i) held_out.insert(test->Record(i)["messages"][0]["content"]);
  for (uint64_t i = 0; i < 300; ++i) EXPECT_FALSE(held_out.contains(train->Record(i)["messages"][0]["content"]));
}

TEST(Source, PartsOfTheTrainingSideShareNoProblem) {
  SourceConfig config;
  config.tasks = ReadTasks(Json::array({"addition"}), Json::array({1, 2}), "test");
  std::set<std::string> prompts[3];
  for (const TrainPart part : {TrainPart::kAll, TrainPart::kSupervised, TrainPart::kReinforcement}) {
    config.part = ReadTrainPart(TrainPartName(part), "test");
    const auto source = Source::Make(config, 5, false);
    for (uint64_t i = 0; i < 200; ++i) {
      prompts[static_cast<size_t>(part)].insert(source->Record(i)["messages"][0]["content"].get<std::string>());
    }
  }
  int64_t shared[2] = {0, 0};
  for (const std::string& prompt : prompts[0]) {
    for (const size_t part : {1, 2}) shared[part - 1] += prompts[part].contains(prompt);
  }
  EXPECT_GT(shared[0], 0);
  EXPECT_GT(shared[1], 0);
  for (const std::string& prompt : prompts[1]) EXPECT_FALSE(prompts[2].contains(prompt)) << prompt;
  EXPECT_THAT(ErrorOf([] { ReadTrainPart("rl", "test"); }), HasSubstr("reinforcement"));
}

TEST(Source, WithoutThinkingTheAnswersAreTheSame) {
  SourceConfig config;
  config.tasks = ReadTasks(Json::array({"addition"}), Json::array({1, 2}), "test");
  const auto thoughtful = Source::Make(config, 5, false);
  config.thinking = false;
  const auto hasty = Source::Make(config, 5, false);
  for (uint64_t i = 0; i < 20; ++i) {
    const Json with = thoughtful->Record(i)["messages"], without = hasty->Record(i)["messages"];
    EXPECT_EQ(with[0], without[0]);
    const std::string text = with[1]["content"], answer = text.substr(text.find("</think>"));
    EXPECT_GT(text.size(), answer.size() + 20);
    EXPECT_EQ(without[1]["content"], "<think>\n\n" + answer);
  }
}

// Lines of instances of a task, `count` of each side of its split.
std::string InstanceLines(const std::string& name, int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    for (const TaskInstance& instance : {GenerateTrain(GetTask(name), static_cast<uint64_t>(i), 1),
                                         GenerateTest(GetTask(name), static_cast<uint64_t>(i), 1)}) {
      lines += InstanceToJson(instance).dump() + "\n";
    }
  }
  return lines;
}

TEST(InstanceFile, KeepsTheSidesApartAndIsSolvedByTheTasks) {
  const TestFolder folder;
  const auto path = folder / "some.jsonl";
  WriteFileAtomic(path, InstanceLines("addition", 6) + "\n" + InstanceLines("sudoku", 4));
  const InstanceFile train(path, TrainPart::kAll, false), test(path, TrainPart::kAll, true);
  EXPECT_EQ(train.size(), 10u);
  EXPECT_EQ(train.left_out(), 10u);
  EXPECT_EQ(test.size(), 10u);
  EXPECT_EQ(train.Tasks(), (std::set<std::string>{"addition", "sudoku"}));
  const InstanceFile half(path, TrainPart::kSupervised, false);
  EXPECT_LT(half.size(), 10u);
  for (size_t i = 0; i < half.size(); ++i) EXPECT_EQ(PartOf(half.Get(i)), TrainPart::kSupervised);
  SourceConfig config;
  config.type = SourceConfig::Type::kInstances;
  config.path = path;
  const auto source = Source::Make(config, 3, false);
  EXPECT_NE(source->Note().find("10 that are"), std::string::npos) << source->Note();
  std::set<std::string> prompts, again;
  for (uint64_t i = 0; i < 20; ++i) {
    const Json record = source->Record(i);
    const std::string prompt = record["messages"][0]["content"].get<std::string>();
    (i < 10 ? prompts : again).insert(prompt);
    EXPECT_EQ(record["difficulty"], 1);
    bool found = false;
    for (size_t k = 0; k < train.size(); ++k) {
      const TaskInstance instance = train.Get(k);
      if (instance.prompt != prompt) continue;
      found = true;
      EXPECT_EQ(record["task"], instance.task);
      const std::string answer = record["messages"][1]["content"].get<std::string>();
      const Solution solution = GetTask(instance.task).Solve(instance);
      EXPECT_EQ(answer, AssistantText(solution.thinking, solution.answer));
    }
    EXPECT_TRUE(found) << prompt;
  }
  EXPECT_EQ(prompts.size(), 10u);  // every one once an epoch
  EXPECT_EQ(again, prompts);
  const auto held = Source::Make(config, 3, true);
  for (uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(prompts.count(held->Record(i)["messages"][0]["content"].get<std::string>()), 0u);
  }
}

TEST(InstanceFile, ErrorsNameTheLineAndWhatIsWrong) {
  const TestFolder folder;
  const auto path = folder / "some.jsonl";
  const auto fails = [&](const std::string& line, const std::string& what) {
    WriteFileAtomic(path, InstanceLines("addition", 2) + "\n" + line + "\n");
    SourceConfig config;
    config.type = SourceConfig::Type::kInstances;
    config.path = path;
    try {
      Source::Make(config, 1, false);
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("some.jsonl, line 6"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
  };
  fails(R"({"task": "chess", "data": {}, "prompt": "?"})", "chess");
  fails(R"({"data": {}, "prompt": "?"})", "\"task\"");
  fails(R"({"task": "addition", "prompt": "?"})", "\"data\"");
  fails(R"({"task": "addition", "data": {"a": 1, "b": 2, "op": "+"}})", "\"prompt\"");
  fails(R"({"task": "addition", "data": {"a": 1, "b": 2, "op": "+", "c": 3}, "prompt": "?"})", "\"c\"");
  fails(R"({"task": "addition", "data": {"a": 1, "b": 2}, "prompt": "?"})", "\"op\"");
  fails(R"({"task": "addition", "data": {"a": 1, "b": 2, "op": "^"}, "prompt": "?"})", "op");
  fails(R"({"task": "addition", "data": {"a": 1, "b": 2, "op": "+"}, "prompt": "?", "difficulty": -1})", "difficulty");
  fails(R"({"task": "addition", "data": {"a": 1, "b": 2, "op": "+"}, "prompt": "?", "seed": 1.5})", "seed");
  // Of a right form, but the task's solver finds nothing: no sum of these makes that.
  const std::string unsolved =
      R"({"task": "countdown", "data": {"numbers": [1, 1, 1], "target": NUMBER}, "prompt": "?"})";
  int left_out = 0;
  for (int target = 900; target < 906; ++target) {
    std::string line = unsolved;
    line.replace(line.find("NUMBER"), 6, std::to_string(target));
    TaskInstance instance = InstanceFromJson(Json::parse(line), "test");
    if (HeldOut(instance)) continue;
    fails(line, "leave_out_unsolved");
    SourceConfig config;
    config.type = SourceConfig::Type::kInstances;
    config.path = path;
    config.leave_out_unsolved = true;
    EXPECT_NE(Source::Make(config, 1, false)->Note().find(" 1 unsolved"), std::string::npos);
    ++left_out;
  }
  EXPECT_GT(left_out, 0);
}

TEST(ValidationExamples, OneSetForEachTaskAndFile) {
  const Pipeline setup([](Json& json) {
    AddLines(json);
    json["validation"] = {{"every", 1}, {"data", json["data"]}};
    json["validation"]["data"][0]["tasks"].push_back({{"name", "dyck_language"}, {"difficulties", {1, 1}}});
    json["batch"] = {{"tokens", 4096}, {"max_length", 4096}};
  });
  const auto sets = ValidationExamples(setup.config.validation.data, *setup.encoder, 4, 1);
  ASSERT_EQ(sets.size(), 3u);
  for (const char* name : {"addition", "dyck_language", "lines"}) EXPECT_EQ(sets.at(name).size(), 4u) << name;
}

TEST(DataState, ErrorsInsteadOfNonsense) {
  const auto error = [](const char* json) {
    return ErrorOf([&] { DataState::FromJson(Json::parse(json), 2, "state"); });
  };
  EXPECT_EQ(error(R"({"examples": 3, "drawn": [1, 2], "skipped": [0, 0]})"), "no error");
  EXPECT_THAT(error(R"({"examples": 3, "drawn": [1], "skipped": [0, 0]})"), HasSubstr("drawn"));
  EXPECT_THAT(error(R"({"examples": 3, "drawn": [1, -2], "skipped": [0, 0]})"), HasSubstr("-2"));
  EXPECT_THAT(error(R"({"drawn": [1, 2], "skipped": [0, 0]})"), HasSubstr("examples"));
}

}  // namespace
}  // namespace fulgur
