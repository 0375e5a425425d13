// Scoring of arbitrary text: two bytes choose the task and the difficulty, two the seed, the rest is the response.
// Verify must not throw, and whatever it accepts must hold the answer in a box.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "envs/task.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const auto& tasks = fulgur::AllTasks();
  const fulgur::Task& task = *tasks[data[0] % tasks.size()];
  const int levels = task.max_difficulty() - task.min_difficulty() + 1;
  const uint64_t seed = data[2] + 256u * (data[3] & 3u);
  const fulgur::TaskInstance instance = task.Generate(seed, task.min_difficulty() + data[1] % levels);
  const std::string_view response(reinterpret_cast<const char*>(data) + 4, size - 4);
  const fulgur::Score score = task.Verify(instance, response);
  std::string content;
  if (!(score.value >= 0 && score.value <= 1)) std::abort();
  if (score.value > 0 && (!fulgur::LastBoxed(response, &content) || content.empty())) std::abort();
  if (score.value < 1 && score.reason.empty()) std::abort();
  return 0;
}
