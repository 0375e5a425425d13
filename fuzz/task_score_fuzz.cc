// Scoring of arbitrary text: a task's name and a line end, a byte for the difficulty, two for the seed, the rest is the
// response. (The name, so that kept inputs stay with their task when another is added; an unknown one is taken as a
// number.) Verify must not throw, and whatever it accepts must hold the answer in a box.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "envs/task.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = input.substr(0, 64).find('\n');
  if (line == std::string_view::npos || size < line + 4) return 0;
  const auto& tasks = fulgur::AllTasks();
  const std::string_view name = input.substr(0, line);
  const fulgur::Task* task = fulgur::FindTask(name);
  if (task == nullptr) task = tasks[(name.empty() ? 0 : static_cast<uint8_t>(name[0])) % tasks.size()];
  const uint8_t* const numbers = data + line + 1;
  const int levels = task->max_difficulty() - task->min_difficulty() + 1;
  const uint64_t seed = numbers[1] + 256u * (numbers[2] & 3u);
  const fulgur::TaskInstance instance = task->Generate(seed, task->min_difficulty() + numbers[0] % levels);
  const std::string_view response = input.substr(line + 4);
  const fulgur::Score score = task->Verify(instance, response);
  std::string content;
  if (!(score.value >= 0 && score.value <= 1)) std::abort();
  if (score.value > 0 && (!fulgur::LastBoxed(response, &content) || content.empty())) std::abort();
  if (score.value < 1 && score.reason.empty()) std::abort();
  return 0;
}
