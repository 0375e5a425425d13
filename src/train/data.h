// Training data. Example i of a source is a pure function of the seed and i, so a run resumes from counters alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/records.h"
#include "model/gradient.h"
#include "train/config.h"
#include "train/conversation.h"

namespace fulgur {

// A permutation of [0, n) chosen by `seed`: where `i` goes. No memory, so a file of any size is shuffled (a Feistel
// network on the next power of four, walked until the result is below n).
uint64_t Permute(uint64_t i, uint64_t n, uint64_t seed);

// Records of one source: {"messages": [...], "tools"?: [...]} or {"text": "..."}, and "task", "difficulty" from tasks.
class Source {
 public:
  virtual ~Source() = default;
  virtual Json Record(uint64_t index) const = 0;
  // Of files, whose records come again and again: how many there are; 0: there is no end of them.
  virtual uint64_t size() const { return 0; }
  // Where a record is from, for errors: "FILE, line N".
  // Of files: which of its records comes at `index`, counted from the beginning of the first file.
  virtual uint64_t Place(uint64_t index) const { return index; }
  virtual std::string Where(uint64_t index) const { return fmt::format("problem {}", index); }
  virtual std::string Note() const { return ""; }  // what was left out, if anything was

  // Files are visited in a new order in every epoch (shuffled by the seed). held_out: tasks make problems of the test
  // side, files keep their order.
  static std::unique_ptr<Source> Make(const SourceConfig& config, uint64_t seed, bool held_out);
};

// Records to examples of at most max_length tokens.
class RecordEncoder {
 public:
  RecordEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat_template, int64_t max_length);
  // Nothing if a conversation is longer than max_length, or a text has fewer than two tokens. A longer text is cut to a
  // window whose place `random` decides. *length: of the whole.
  std::optional<Example> Encode(const Json& record, const SourceConfig& source, uint64_t random,
                                int64_t* length = nullptr) const;
  // All of it, however long.
  Example EncodeWhole(const Json& record, const SourceConfig& source) const;
  int64_t max_length() const { return max_length_; }
  const ConversationEncoder& conversation() const { return conversation_; }

 private:
  const Tokenizer& tokenizer_;
  ConversationEncoder conversation_;
  int64_t max_length_;
};

// How far a run has read.
struct DataState {
  uint64_t examples = 0;          // drawn from the mixture
  std::vector<uint64_t> drawn;    // of those, from each source
  std::vector<uint64_t> skipped;  // of those, left out because they were too long
  Json ToJson() const;
  static DataState FromJson(const Json& json, size_t sources, const std::string& where);
  bool operator==(const DataState&) const = default;
};

// Draws records from the sources in proportion to their weights.
class Mixture {
 public:
  Mixture(const std::vector<SourceConfig>& sources, uint64_t seed);
  struct Draw {
    size_t source;
    uint64_t index;  // of the record in its source
    Json record;
  };
  Draw Next(DataState& state) const;          // advances `examples` and `drawn`
  uint64_t RandomOf(const Draw& draw) const;  // for RecordEncoder::Encode
  // For errors: "source NAME, FILE, line N".
  std::string Where(const Draw& draw) const;
  const Source& source(size_t i) const { return *sources_[i]; }
  const std::vector<SourceConfig>& configs() const { return configs_; }
  std::vector<std::string> Notes() const;  // of the sources, with their names

 private:
  std::vector<SourceConfig> configs_;
  uint64_t seed_;
  std::vector<double> weights_;
  std::vector<std::unique_ptr<Source>> sources_;
};

// The mixture of a training run.
Mixture TrainingMixture(const TrainConfig& config);

// What one optimizer step works on: tokens / micro_tokens batches, each filled with whole documents in the order of the
// mixture until the next one does not fit.
struct StepData {
  std::vector<TokenBatch> micro;
  int64_t tokens = 0, targets = 0;
  int64_t longest_left_out = 0;  // tokens
  DataState after;               // the state the next step starts from
};

class BatchPacker {
 public:
  BatchPacker(const Mixture& mixture, const RecordEncoder& encoder, const TrainConfig::Batch& batch, DataState start);
  // Error if a source brings nothing but examples that are too long.
  StepData Next();

 private:
  struct Pending {
    Example example;
    DataState after;  // once it is used
  };
  Pending Take();

  const Mixture& mixture_;
  const RecordEncoder& encoder_;
  TrainConfig::Batch batch_;
  DataState state_;
  int64_t longest_left_out_ = 0;
  std::optional<Pending> pending_;  // drawn, but did not fit
};

// The steps after which each file of the mixture has been gone through so often; found by making them. Error if there
// is no file.
int64_t StepsOfEpochs(const Mixture& mixture, const RecordEncoder& encoder, const TrainConfig::Batch& batch,
                      double epochs);

// Steps made by a thread of its own, a few ahead. The packer is used by that thread only.
class StepQueue {
 public:
  explicit StepQueue(BatchPacker packer, size_t ahead = 3);
  ~StepQueue();
  StepData Next();  // rethrows what the thread threw

 private:
  BatchPacker packer_;
  size_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<StepData> ready_;
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread thread_;
};

// Held-out examples by name: a task's, or a file's.
std::map<std::string, std::vector<Example>> ValidationExamples(const std::vector<SourceConfig>& sources,
                                                               const RecordEncoder& encoder, int64_t instances,
                                                               uint64_t seed);

}  // namespace fulgur
