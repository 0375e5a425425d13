// The attacks, by what they are on. Each returns true if what it tried was refused.
#pragma once

namespace attacker {

struct Try {
  const char* name;
  bool (*run)();
};

bool RefusedWith(long result);  // a system call's: -1

extern const Try kProcessTries[], kMemoryTries[], kFileTries[], kKernelTries[];  // each ends with a null name

}  // namespace attacker
