// The red team's attacks, run and judged.
#pragma once

#include <string>

#include "sandbox/attacks.h"
#include "sandbox/sandbox.h"

namespace fulgur {

struct AttackResult {
  bool refused = false;
  std::string how;  // how it was refused ("ended by cpu"), or how it got through
};

// Runs the attack in the sandbox. Also looks that nothing of it is left on the machine.
AttackResult TryAttack(Sandbox& sandbox, const Attack& attack);

}  // namespace fulgur
