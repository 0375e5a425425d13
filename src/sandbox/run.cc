#include "sandbox/run.h"

namespace fulgur {

SandboxLimits LimitsOf(SandboxProfile profile) {
  constexpr int64_t kMiB = 1 << 20;
  SandboxLimits l;
  switch (profile) {
    case SandboxProfile::kJudge:
      l = {2, 0, 256 * kMiB, 1, 16, kMiB, 16 * kMiB, 1000};
      break;
    case SandboxProfile::kRepository:
      l = {10, 0, 1024 * kMiB, 32, 128, kMiB, 512 * kMiB, 100'000};
      break;
    case SandboxProfile::kCompile:
      l = {20, 0, 1024 * kMiB, 16, 16, kMiB, 256 * kMiB, 10'000};
      break;
  }
  l.wall_seconds = WallLimit(l.cpu_seconds);
  return l;
}

const char* RunEndName(RunEnd end) {
  switch (end) {
    case RunEnd::kExit:
      return "exit";
    case RunEnd::kSignal:
      return "signal";
    case RunEnd::kCpu:
      return "cpu";
    case RunEnd::kWall:
      return "wall";
    case RunEnd::kMemory:
      return "memory";
    case RunEnd::kOutput:
      return "output";
    case RunEnd::kFuel:
      return "fuel";
    case RunEnd::kInfrastructure:
      return "infrastructure";
  }
  return "infrastructure";
}

}  // namespace fulgur
