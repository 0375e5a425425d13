// One walk of tokens through the model: embedding, layers, final norm, head. Prefill, decoding, batches of both,
// validation and training are all this walk; with a tape it is the forward half of training, and can be walked back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/decoder_layer.h"
#include "model/model.h"
#include "model/token_batch.h"

namespace fulgur {

// Tokens to append to one sequence. Several segments in one call must have different states.
struct Segment {
  SequenceState* state;
  std::span<const int32_t> tokens;
  int64_t last = 1;  // for LogitRows::kLast: how many of its last rows get logits, 1 to tokens.size()
};

enum class LogitRows { kNone, kLast, kAll };  // which rows of each segment get logits

// What a pass over a batch keeps, and sums over its layers.
struct Tape {
  enum class Keep {
    kNothing,      // no backward half follows
    kInputs,       // each layer's input: backward runs the layer once more
    kActivations,  // all that backward needs
  };
  Keep keep = Keep::kNothing;
  std::vector<DocumentRows> documents;
  AuxLoss aux{0};
  std::vector<int64_t> expert_counts;    // [L * E]: tokens each expert worked on
  std::vector<RouterFigures> router;     // [L] sums over tokens
  std::vector<LayerActivations> layers;  // [L] if all is kept
  std::vector<MatrixBuffer<>> inputs;    // [L] if inputs are
};

// Of a batch's targets, and of the batch.
struct BatchValues {
  std::vector<float> logprobs;   // per token, 0 where ignored: the very bits that logits of an inference pass give
  std::vector<float> entropies;  // of the distributions those come from, 0 where ignored; if asked for
  double aux = 0;                // load balance (ops/router.h)
  std::vector<int64_t> expert_counts;
  std::vector<RouterFigures> router;
};

// Owns all memory that a walk needs besides the weights, and keeps it, so that a token costs no allocation. Passes of
// one model may run side by side in several threads; one pass is one thread's at a time.
class Pass {
 public:
  explicit Pass(const Model& model);
  const Model& model() const { return model_; }

  // Appends the segments' tokens to their states. Logits are [rows, V] row-major, rows in segment order; the span is
  // valid until the next call. Token ids outside [0, V) are an Error. Empty segments are allowed (and have no last
  // row). A token's logits depend only on the tokens before it in its sequence: not on other segments, on chunking or
  // threads.
  std::span<const float> Forward(std::span<const Segment> segments, LogitRows rows, const Observer* observer = nullptr);

  // Whole documents, each a sequence of its own (or continuing another's).
  BatchValues Forward(const TokenBatch& batch, Tape::Keep keep, bool entropies);
  // After the Forward of this batch that kept something: from the derivative of a loss by each log-probability, adds
  // the gradient of the loss, plus aux_coef times the load balance, to `grads`.
  void Backward(const TokenBatch& batch, std::span<const float> dlogprobs, double aux_coef, Params& grads);

 private:
  void Start();
  void AddTokens(std::span<const int32_t> tokens, int64_t position);
  template <typename SegmentsOf>
  void RunLayers(const SegmentsOf& segments_of, Tape* tape, const Observer* observer);
  void FinalNorm(ConstMatrixView x);
  MatrixView Logits(RowRange rows);
  MatrixView LastRows(std::span<const Segment> segments);
  PassContext Context();
  LayerWeights Layer(int64_t n) const;
  // Of the batch on the tape.
  LayerActivations& Activations(int64_t n);
  void SetDocumentSegments(int64_t layer);
  template <typename F>
  void ForHeadRows(const TokenBatch& batch, const F& f);

  const Model& model_;
  const ModelConfig& config_;
  ExecContext exec_;  // the model's threads, with scratch of its own

  // The rows of the walk at hand: T tokens and where they stand in their sequences.
  std::vector<int32_t> tokens_;
  std::vector<int64_t> positions_;
  MatrixBuffer<> rotary_table_;
  std::vector<RowSegment> segments_;  // with the memory of the layer at hand
  MatrixBuffer<> stream_;             // [T, C] input of the next layer; in the end the last one's output
  LayerActivations layer_;            // of the layer at hand, if no tape keeps it
  MatrixBuffer<> last_rows_, final_norm_, inv_rms_, logits_;

  // Of batches: what a document's layer remembers, one layer at a time, and gradients.
  Tape tape_;
  std::unique_ptr<BlockArena> document_blocks_;
  std::vector<SequenceState::Layer> lightning_memory_, softmax_memory_;
  LayerGradients gradients_;
  MatrixBuffer<> dnorm_, dout_, dx_, dlogits_;
};

}  // namespace fulgur
