// What a response earns.
#pragma once

#include <cstdint>
#include <string_view>

#include "envs/judge.h"
#include "text/finish_reason.h"

namespace fulgur {

// A reward is the sum of these parts.
struct RewardConfig {
  double correct = 1;   // times the score of the answer, 0 to 1
  double format = 0.1;  // if the last turn has the form that IsWellFormed demands
  // Soft penalty of long responses (DAPO, Yu et al. 2025, section 3.4): of the window's last `buffer` tokens, each
  // costs overlong / buffer, so that a response as long as the window loses all of `overlong`. 0 tokens: no penalty.
  int64_t overlong_buffer = 0;
  double overlong = 1;
  // Of programs that do not compile, and of those that crash or run into a limit; 0 or less.
  double compile_error = 0, crash = 0;
};

struct Reward {
  bool format = false;
  double correct_part = 0, format_part = 0, overlong_part = 0, fault_part = 0;
  double total() const { return correct_part + format_part + overlong_part + fault_part; }
};

// <think>, some thinking, </think>, then an answer with exactly one \boxed{}, ended by the model itself. The tags once
// each, nothing but white space before them. starts_in_thinking: the prompt has already opened it.
bool IsWellFormed(std::string_view text, FinishReason finish, bool starts_in_thinking);

// verdict: with a score. window: most tokens that a trajectory may have.
Reward ScoreResponse(const RewardConfig& config, const Verdict& verdict, const Trajectory& trajectory,
                     bool starts_in_thinking, int64_t window);

}  // namespace fulgur
