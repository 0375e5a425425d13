// attacker NAME: tries one attack of sandbox/attacks.h. Says "refused" if it was, and "ESCAPED" if it got through. Does
// nothing that would harm a machine on which it gets through.
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "sandbox/attacker/attacks.h"

namespace attacker {

bool RefusedWith(long result) { return result == -1; }

}  // namespace attacker

int main(int argc, char** argv) {
  using namespace attacker;
  if (argc == 2 && std::strcmp(argv[1], "nothing") == 0) return 0;
  for (const Try* tries : {kProcessTries, kMemoryTries, kFileTries, kKernelTries}) {
    for (; tries->name != nullptr; ++tries) {
      if (argc != 2 || std::strcmp(argv[1], tries->name) != 0) continue;
      const bool refused = tries->run();
      std::puts(refused ? "refused" : "ESCAPED");
      return 0;
    }
  }
  std::puts("ESCAPED: there is no such attack");
  return 3;
}
