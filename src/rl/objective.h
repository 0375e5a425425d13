// Policy-gradient objectives, as settings of one form (MiniMax-M1 report, equations 6 and 7):
//
//   J = sum over tokens t of   weight_t * sg(clip(r_t, is_weight_min, is_weight_max)) * M_t * A * log pi(t)
//
//   r_t = pi(t) / pi_old(t), the importance weight; A the response's advantage; sg: a constant for differentiation
//   M_t = 0 if A > 0 and r_t > mask_high, or A < 0 and r_t < mask_low; else 1. Evaluated on the r_t that is not clipped
//
// and the loss is -J. Clipping and masking are apart: CISPO clips the weight and masks nothing, so that every token
// keeps its gradient; PPO, GRPO and DAPO mask what their min(r A, clip(r) A) leaves without a gradient, and clip
// nothing. `surrogate` gives the loss that value instead of the one above; the gradient is the same.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fulgur {

// What makes rewards R of a group of responses to one prompt advantages.
enum class AdvantageKind {
  kPopulation,  // (R - mean) / std, which divides by the number of responses G
  kSample,      // (R - mean) / std, which divides by G - 1
  kMeanOnly,    // R - mean (Dr.GRPO, Liu et al. 2025)
};

struct Objective {
  static constexpr double kNoBound = std::numeric_limits<double>::infinity();

  double is_weight_min = 0, is_weight_max = kNoBound;  // bounds of the importance weight itself: 5.0 is five times
  double mask_low = 0, mask_high = kNoBound;           // bounds of the ratio that the mask compares with
  bool surrogate = false;                              // value min(r A, clip(r, mask_low, mask_high) A)
  // One ratio for all tokens of a response, the geometric mean of theirs (GSPO, Zheng et al. 2025).
  bool sequence_ratio = false;

  AdvantageKind advantage = AdvantageKind::kPopulation;

  // Token weights, P prompts with G_p responses of n_i tokens. The parts are multiplied and added up; they should add
  // up to 1.
  struct Normalization {
    double sample = 0;    // 1 / (P G_p n_i): mean over tokens, then responses, then prompts (report, Eq. 1 and 3)
    double group = 0;     // 1 / (P sum_j n_j): tokens of a prompt pooled, then mean over prompts (Eq. 4 and 6)
    double batch = 0;     // 1 / sum of all n: all tokens pooled
    double constant = 0;  // 1 / (P G_p constant_length): no division by lengths (Dr.GRPO)
  } normalization;
  double constant_length = 0;  // positive if normalization.constant is not 0

  // Added to the loss with the same token weights: kl times exp(d) - d - 1, d = log pi_ref(t) - log pi(t), an unbiased
  // estimate of KL(pi || pi_ref) (Schulman 2020). 0: no reference is needed.
  double kl = 0;

  // Responses that the window cut have no token in the loss ("overlong filtering": DAPO, Yu et al. 2025, section 3.4).
  // Their rewards still count in the advantages of the others. ResponseLoss knows nothing of it: who makes up the batch
  // leaves them out.
  bool mask_truncated = false;
};

// reinforce_is, grpo, dapo, cispo, gspo or dr_grpo; Error that lists the names for another one. Values where papers
// give them: GRPO 0.2 / 0.2, DAPO 0.2 / 0.28, GSPO 3e-4 / 4e-4; CISPO has is_weight_max 5. dr_grpo leaves
// constant_length to be set.
Objective NamedObjective(std::string_view name);
const std::vector<std::string>& ObjectiveNames();

// Advantages of one group. Where the rewards are all equal (a single response too) they are 0 exactly. Nothing is added
// to the standard deviation.
std::vector<double> Advantages(std::span<const double> rewards, AdvantageKind kind);

// The weight of a token of each response. group_sizes [P]: responses of each prompt, which follow one another in
// lengths [N]: the tokens of each that count.
std::vector<double> ResponseWeights(std::span<const int64_t> group_sizes, std::span<const int64_t> lengths,
                                    const Objective& objective);

// Figures of the tokens that an objective was computed of.
struct ObjectiveStats {
  int64_t tokens = 0;
  int64_t clipped = 0;  // weight at a bound, or masked; tokens of advantage 0 are never masked
  int64_t masked = 0;   // of those, left without a gradient by the mask
  double ratio_sum = 0, ratio_min = Objective::kNoBound, ratio_max = 0;
  double kl_sum = 0;  // of -log r, an estimate of KL(pi_old || pi)
  // By probability under pi_old: bin b has p in [b / 10, (b + 1) / 10), the last one 1 too.
  std::array<int64_t, 10> by_probability{}, clipped_by_probability{};
  // Ratio: bin b has log2 r in [-4 + b / 4, -4 + (b + 1) / 4), the first and the last also what lies beyond; r = 1
  // exactly is counted apart.
  static constexpr int kRatioBins = 32;
  std::array<int64_t, kRatioBins> ratio_bins{};
  int64_t ratio_one = 0;

  void Add(const ObjectiveStats& other);
};

// One response: all spans have a value a token. Adds -J (and the KL term) of these tokens to the result, and writes d
// loss / d logprobs to grad: exactly 0 where the advantage is 0 or the mask is, and there is no KL term.
struct ResponseTokens {
  std::span<const float> old_logprobs, logprobs;
  std::span<const float> correction = {};  // further constant factors of the gradient; empty: 1
  std::span<const float> reference = {};   // log pi_ref, if objective.kl is not 0
};
double ResponseLoss(const Objective& objective, const ResponseTokens& tokens, double weight, double advantage,
                    std::span<double> grad, ObjectiveStats* stats);

// A whole batch: responses of all groups, tokens of all responses, one after the other. rewards and lengths [N],
// log-probabilities [sum of lengths]. FULGUR_CHECKs that sizes agree.
struct ObjectiveResult {
  double loss = 0;
  std::vector<double> advantages;  // [N]
  std::vector<double> grad;        // [T]
  ObjectiveStats stats;
};
ObjectiveResult EvaluateObjective(const Objective& objective, std::span<const int64_t> group_sizes,
                                  std::span<const int64_t> lengths, std::span<const double> rewards,
                                  std::span<const float> old_logprobs, std::span<const float> logprobs,
                                  std::span<const float> reference = {});

}  // namespace fulgur
