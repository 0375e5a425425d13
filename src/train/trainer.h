// Pre-training and supervised fine-tuning: steps of AdamW on packed documents, with validation. The run, its folder and
// how it goes on after a stop are run_loop.h's.
#pragma once

#include <cstdint>
#include <filesystem>

#include "model/model.h"
#include "ops/exec_context.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/config.h"
#include "train/data.h"
#include "train/run_loop.h"

namespace fulgur {

// The tokenizer and chat template of a folder.
struct TextFiles {
  Tokenizer tokenizer;
  ChatTemplate chat_template;
  static TextFiles FromFolder(const std::filesystem::path& dir);
};

// The architecture that the config starts from. In dimensions given in the config itself, vocab_size defaults to the
// tokenizer's, eos_token_id to the chat template's end of turn, attn_type_list to seven lightning layers and a
// softmax layer in turn; unknown keys are an Error.
ModelConfig StartingArchitecture(const TrainConfig& config, const Tokenizer& tokenizer, int32_t end_of_turn);

using TrainOptions = RunOptions;

struct TrainResult {
  int64_t step = 0, tokens = 0;         // done in the whole run
  bool finished = false;                // all steps done and the model written; otherwise it was stopped
  double loss = 0;                      // of its last step
  Json validation;                      // its last one, or null
  std::filesystem::path model;          // if finished
  uint64_t examples = 0, left_out = 0;  // drawn in the whole run; of those, too long for batch.max_length
  int64_t longest_left_out = 0;         // tokens of the longest of those drawn here; 0 if none was
};

// Starts or resumes the run. Errors: `out` holds a run of another config (names a key that differs), or other files, or
// is in use by another process; the loss, the gradient or a weight is not finite; and whatever is wrong with the files
// that the config names.
TrainResult Train(const TrainConfig& config, ExecContext& exec, const TrainOptions& options);

// Writes the newest checkpoint of the run as a model to `dir`; returns its step. Error if there is none.
int64_t ExportModel(const TrainConfig& config, const std::filesystem::path& dir);

// Mean loss and the share of tokens that the model's most probable token is right about, over the counted tokens.
struct ValidationResult {
  double loss = 0, accuracy = 0;
  int64_t targets = 0;
};
ValidationResult Validate(const Model& model, const std::vector<Example>& examples, int64_t micro_tokens);

}  // namespace fulgur
