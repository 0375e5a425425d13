// Speed of a model end to end, beside the limits that this machine reaches in the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/json.h"
#include "model/model.h"

namespace fulgur {

struct SpeedOptions {
  std::vector<int64_t> depths = {0};   // tokens that a sequence has before the measured ones
  std::vector<int64_t> batches = {1};  // sequences that decode together
  int64_t prompt = 512;                // tokens of the measured prefill, in one pass; 0: no prefill
  int64_t generate = 64;               // measured decoding steps; 0: no decoding
  int64_t repeat = 3;                  // runs of each measurement, of which the median counts
  int64_t chunk = 512;                 // tokens at a time on the way to a depth
  int64_t draft = 0;                   // most tokens to draft in a pass; 0: drafting is not measured
  uint64_t seed = 1;                   // of the random tokens
};

// One measurement.
struct BenchmarkPoint {
  bool decode = false;  // else prefill
  int64_t depth = 0, batch = 1;
  int64_t tokens = 0;       // of all sequences together, in one run
  int64_t state_bytes = 0;  // memory of one sequence at the depth
  double seconds = 0;       // median of the runs
  double bytes = 0;         // decode: that had to be read (BytesOfDecoding, with the experts that were in fact chosen)
  double flops = 0;         // prefill: ForwardFlops
  WeightFormat format = WeightFormat::kF32;  // prefill: of the experts, whose arithmetic is the limit
  // GB/s or GFLOP/s that the machine reaches (ops/peak.h). Measured before and after each run: on a shared machine it
  // changes from one second to the next. Median, and of each run's rate over the mean of the two around it.
  double limit = 0, share = 0;
  // Decode, at a later depth than the first with this batch: the time that one took, times the bytes to be read now
  // over those to be read then. 0: none.
  double expected_seconds = 0;

  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
  double work() const { return 1e-9 * (decode ? bytes : flops); }  // GB or GFLOP
  double rate() const { return work() / seconds; }                 // in the unit of the limit
  Json ToJson() const;
};

// Generation of one sequence with drafts (engine/ngram_draft.h) and without, over the same tokens, which are given: how
// fast they come depends on how a text repeats itself, not on what the model makes of it.
struct DraftingPoint {
  bool repeats = false;  // 64 random tokens over and over; else random tokens, with three that come again and again so
                         // that there is always something to draft from, and never rightly
  int64_t depth = 0, tokens = 0, passes = 0, drafted = 0, accepted = 0;  // passes: with drafts
  double plain_seconds = 0, draft_seconds = 0;                           // medians of the runs

  double speedup() const { return plain_seconds / draft_seconds; }
  Json ToJson() const;
};

// Measures prefill at every depth, and decoding at every depth with every batch, and with options.draft drafting at
// every depth; calls `done` or `drafted` after each. Tokens are random, so a trained model's experts are chosen about
// as evenly as its router can. A sequence goes on from the depth before if that is not deeper; `progress` (may be
// empty) hears of it: how far it is, the depth wanted. Error if a sequence would be longer than the model's
// context or an option is out of range.
using DepthProgress = std::function<void(int64_t at, int64_t depth)>;
std::vector<BenchmarkPoint> RunBenchmark(Model& model, const SpeedOptions& options,
                                         const std::function<void(const BenchmarkPoint&)>& done,
                                         const DepthProgress& progress = nullptr,
                                         const std::function<void(const DraftingPoint&)>& drafted = nullptr);

}  // namespace fulgur
