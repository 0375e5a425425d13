#include "envs/task.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"
#include "envs/answer.h"

namespace fulgur {
namespace {

constexpr std::string_view kBoxed = "\\boxed{";
constexpr int kDraws = 1000;

TaskInstance DrawSide(const Task& task, uint64_t seed, int difficulty, bool held_out,
                      TrainPart part = TrainPart::kAll) {
  for (int attempt = 0; attempt < kDraws; ++attempt) {
    TaskInstance instance = task.Generate(Mix(seed, attempt), difficulty);
    if (HeldOut(instance) == held_out && (part == TrainPart::kAll || PartOf(instance) == part)) return instance;
  }
  throw Error("task {} at difficulty {}: {} draws brought no {} problem; it needs more distinct problems", task.name(),
              difficulty, kDraws, held_out ? "held-out" : "training");
}

std::string Names(const std::vector<DataKey>& keys) {
  std::string names;
  for (const DataKey& key : keys) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", key.name);
  return names;
}

void CheckObject(const Json& object, const std::vector<DataKey>& keys, const std::string& where) {
  if (!object.is_object()) throw Error("{}: there must be an object with the keys {}", where, Names(keys));
  for (const auto& [name, value] : object.items()) {
    const auto key = std::find_if(keys.begin(), keys.end(), [&](const DataKey& known) { return name == known.name; });
    if (key == keys.end()) throw Error("{}: unknown key {}; the keys are {}", where, Quoted(name), Names(keys));
    if (key->keys.empty()) continue;
    const std::string inside = fmt::format("{}: \"{}\"", where, name);
    if (!value.is_array()) {
      CheckObject(value, key->keys, inside);
    } else {
      for (const Json& entry : value) CheckObject(entry, key->keys, inside);
    }
  }
  for (const DataKey& key : keys) {
    if (!key.optional && !object.contains(key.name)) {
      throw Error("{}: \"{}\" is missing: {}", where, key.name, key.form);
    }
  }
}

}  // namespace

void Task::CheckKeys(const Json& data) const { CheckObject(data, DataKeys(), fmt::format("data of {}", name())); }

Solution Task::Solve(const TaskInstance& instance) const {
  CheckKeys(instance.data);
  return Work(instance);
}

TaskInstance Task::Generate(uint64_t seed, int difficulty) const {
  if (difficulty < min_difficulty() || difficulty > max_difficulty()) {
    throw Error("task {} has no difficulty {}: it goes from {} to {}", name(), difficulty, min_difficulty(),
                max_difficulty());
  }
  TaskInstance instance;
  instance.task = name();
  instance.seed = seed;
  instance.difficulty = difficulty;
  Rng rng(Mix(seed, static_cast<uint64_t>(difficulty)));
  Draw(rng, difficulty, &instance);
  return instance;
}

Score Task::Verify(const TaskInstance& instance, std::string_view response) const {
  CheckKeys(instance.data);
  std::string content;
  if (!LastBoxed(response, &content)) return {0, "no \\boxed{} found"};
  if (content.size() > kMaxAnswerBytes) return {0, fmt::format("the answer has {} bytes", content.size())};
  content = PlainAnswer(content);
  if (content.empty()) return {0, "the box is empty"};
  return Judge(instance, content);
}

bool LastBoxed(std::string_view text, std::string* content) {
  const size_t start = text.rfind(kBoxed);
  if (start == std::string_view::npos) return false;
  const size_t begin = start + kBoxed.size();
  int64_t depth = 1;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;  // \{ and \} are characters of the answer, not its braces
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      std::string_view inside = text.substr(begin, i - begin);
      const size_t first = inside.find_first_not_of(" \t\r\n");
      if (first == std::string_view::npos)
        inside = {};
      else
        inside = inside.substr(first, inside.find_last_not_of(" \t\r\n") - first + 1);
      content->assign(inside);
      return true;
    }
  }
  return false;
}

const Task* FindTask(std::string_view name) {
  for (const Task* task : AllTasks()) {
    if (name == task->name()) return task;
  }
  return nullptr;
}

const Task& GetTask(std::string_view name) {
  if (const Task* task = FindTask(name)) return *task;
  std::vector<std::string> names;
  for (const Task* task : AllTasks()) names.emplace_back(task->name());
  throw Error("there is no task \"{}\"{}; the tasks are {}", name, DidYouMean(name, names), fmt::join(names, ", "));
}

namespace {

uint64_t SplitHash(const TaskInstance& instance) {
  const std::string text = instance.task + '\0' + GetTask(instance.task).Key(instance);
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  // FNV's low bits depend on the low bits of the text only; mixing makes all of them count.
  return Mix(hash);
}

}  // namespace

bool HeldOut(const TaskInstance& instance) { return SplitHash(instance) % 16 == 0; }

TrainPart PartOf(const TaskInstance& instance) {
  return SplitHash(instance) / 16 % 2 == 0 ? TrainPart::kSupervised : TrainPart::kReinforcement;
}

TaskInstance GenerateTrain(const Task& task, uint64_t seed, int difficulty, TrainPart part) {
  return DrawSide(task, seed, difficulty, false, part);
}

TaskInstance GenerateTest(const Task& task, uint64_t seed, int difficulty) {
  return DrawSide(task, seed, difficulty, true);
}

}  // namespace fulgur
