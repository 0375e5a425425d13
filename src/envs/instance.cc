#include "envs/instance.h"

#include <charconv>

#include "base/error.h"
#include "envs/answer.h"

namespace fulgur {
namespace {

constexpr uint64_t kMostExact = (uint64_t{1} << 53) - 1;
constexpr int64_t kMostDifficulty = 1'000'000;

}  // namespace

Json SeedToJson(uint64_t seed) { return seed <= kMostExact ? Json(seed) : Json(std::to_string(seed)); }

uint64_t SeedFromJson(const Json& json, const std::string& where) {
  if (json.is_number_unsigned()) return json.get<uint64_t>();
  uint64_t seed = 0;
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error == std::errc() && end == text.data() + text.size()) return seed;
  }
  throw Error("{}: \"seed\": {} is not a whole number from 0 to 2^64 - 1, as a number or as text", where,
              Quoted(json.dump()));
}

Json InstanceToJson(const TaskInstance& instance) {
  return {{"task", instance.task},
          {"seed", SeedToJson(instance.seed)},
          {"difficulty", instance.difficulty},
          {"prompt", instance.prompt},
          {"data", instance.data}};
}

TaskInstance InstanceFromJson(const Json& json, const std::string& where) {
  TaskInstance instance;
  instance.task = JsonGet<std::string>(json, "task", where);
  if (!json.contains("data")) throw Error("{} has no \"data\"", where);
  instance.data = json["data"];
  instance.prompt = JsonGetOr<std::string>(json, "prompt", "", where);
  const int64_t difficulty = JsonGetOr<int64_t>(json, "difficulty", 0, where);
  if (difficulty < 0 || difficulty > kMostDifficulty) {
    throw Error("{}: \"difficulty\" is {}, but must be from 0 to {}", where, difficulty, kMostDifficulty);
  }
  instance.difficulty = static_cast<int>(difficulty);
  if (json.contains("seed")) instance.seed = SeedFromJson(json["seed"], where);
  try {
    GetTask(instance.task).CheckKeys(instance.data);
  } catch (const Error& error) {
    throw Error("{}: {}", where, error.what());
  }
  return instance;
}

}  // namespace fulgur
