// Pre-training and supervised fine-tuning: steps of AdamW on packed documents, with validation, checkpoints, metrics.
//
// A run is a folder (`out` of the config):
//   run.json             the config that the run was started with
//   checkpoints/         step-*.safetensors, see run_state.h
//   metrics.jsonl        one line a step; tensorboard/ has the same
//   model/               the finished model in the Hugging Face layout, tokenizer included
// A run that was stopped or killed continues from its newest checkpoint and ends with the same bits as one that was
// not.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/thread_pool.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/config.h"
#include "train/data.h"

namespace fulgur {

// The tokenizer and chat template of a folder.
struct TextFiles {
  Tokenizer tokenizer;
  ChatTemplate chat_template;
  static TextFiles FromFolder(const std::filesystem::path& dir);
};

// Copies the files that make a folder a tokenizer (tokenizer.json, tokenizer_config.json, chat_template.jinja, ...).
void CopyTextFiles(const std::filesystem::path& from, const std::filesystem::path& to);

// The architecture that the config starts from. In dimensions given in the config itself, vocab_size defaults to the
// tokenizer's, eos_token_id to the chat template's end of turn, attn_type_list to seven lightning layers and a
// softmax layer in turn; unknown keys are an Error.
ModelConfig StartingArchitecture(const TrainConfig& config, const Tokenizer& tokenizer, int32_t end_of_turn);

struct TrainOptions {
  bool fresh = false;      // move the files of an earlier run in `out` aside (to out.1, out.2, ...) and start anew
  double peak_gflops = 0;  // float32 peak of the machine, for the share of it; 0: not reported
  const std::atomic<bool>* stop = nullptr;  // when set: finish the step, write a checkpoint, return
  bool quiet = false;                       // no progress
};

struct TrainResult {
  int64_t step = 0, tokens = 0;  // done in the whole run
  bool finished = false;         // all steps done and the model written; otherwise it was stopped
  double loss = 0;               // of the last step done here
  Json validation;               // the last one done here, or null
  std::filesystem::path model;   // if finished
};

// Starts or resumes the run. Errors: `out` holds a run of another config (names a key that differs), or other files, or
// is in use by another process; the loss is not finite; and whatever is wrong with the files that the config names.
TrainResult Train(const TrainConfig& config, ThreadPool& pool, const TrainOptions& options);

// Writes the newest checkpoint of the run as a model to `dir`; returns its step. Error if there is none.
int64_t ExportModel(const TrainConfig& config, const std::filesystem::path& dir);

// Mean loss and the share of tokens that the model's most probable token is right about, over the counted tokens.
struct ValidationResult {
  double loss = 0, accuracy = 0;
  int64_t targets = 0;
};
ValidationResult Validate(Model& model, const std::vector<Example>& examples, int64_t micro_tokens);

// Arithmetic of forward and backward (three times ForwardFlops, model/cost.h) on these documents (TokenBatch).
// Recomputation does not count.
double TrainingFlops(const ModelConfig& config, std::span<const DocumentRows> documents);

}  // namespace fulgur
