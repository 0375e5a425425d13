#include "train/data.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "envs/instance_file.h"
#include "envs/task.h"

namespace fulgur {
namespace {

// Streams of the seed: what a number is drawn for.
enum Stream : uint64_t { kMixture = 1, kTaskRecord, kShuffle, kWindow, kHeldOutRecord, kTrainingData };

constexpr int kMostSkips = 1000;  // in a row

template <typename Items, typename Weight>
const auto& PickWeighted(Rng& rng, const Items& items, Weight weight) {
  double sum = 0;
  for (const auto& item : items) sum += weight(item);
  double x = rng.Uniform() * sum;
  const auto* last = &*std::begin(items);
  for (const auto& item : items) {
    if (weight(item) <= 0) continue;
    last = &item;
    if (x < weight(item)) break;
    x -= weight(item);
  }
  return *last;
}

Json InstanceRecord(const TaskInstance& instance, bool thinking) {
  const Solution solution = GetTask(instance.task).Solve(instance);
  return {{"task", instance.task},
          {"difficulty", instance.difficulty},
          {"messages",
           {{{"role", "user"}, {"content", instance.prompt}},
            {{"role", "assistant"}, {"content", AssistantText(thinking ? solution.thinking : "", solution.answer)}}}}};
}

// The record that comes at `index` if each of n comes once in every epoch, in a new order.
uint64_t InEpoch(uint64_t index, uint64_t n, uint64_t seed) { return Permute(index % n, n, Mix(seed, index / n)); }

class TaskSource : public Source {
 public:
  TaskSource(const SourceConfig& config, uint64_t seed, bool held_out)
      : tasks_(config.tasks),
        part_(config.part),
        thinking_(config.thinking),
        seed_(Mix(seed, held_out ? kHeldOutRecord : kTaskRecord)),
        held_out_(held_out) {}

  Json Record(uint64_t index) const override {
    Rng rng(Mix(seed_, index));
    const TaskMix& mix = PickWeighted(rng, tasks_, [](const TaskMix& t) { return t.weight; });
    const int difficulty = PickWeighted(rng, mix.difficulties, [](const auto& d) { return d.second; }).first;
    const Task& task = GetTask(mix.name);
    const uint64_t seed = rng.Next();
    return InstanceRecord(
        held_out_ ? GenerateTest(task, seed, difficulty) : GenerateTrain(task, seed, difficulty, part_), thinking_);
  }

 private:
  std::vector<TaskMix> tasks_;
  TrainPart part_;
  bool thinking_;
  uint64_t seed_;
  bool held_out_;
};

class InstanceSource : public Source {
 public:
  InstanceSource(const SourceConfig& config, uint64_t seed, bool held_out)
      : file_(config.path, config.part, held_out),
        thinking_(config.thinking),
        seed_(Mix(seed, kShuffle)),
        shuffle_(!held_out) {
    if (config.leave_out_unsolved) {
      unsolved_ = file_.LeaveOutUnsolved();
    } else {
      file_.CheckSolved();
    }
  }

  Json Record(uint64_t index) const override { return InstanceRecord(file_.Get(Place(index)), thinking_); }
  uint64_t size() const override { return file_.size(); }
  uint64_t Place(uint64_t index) const override {
    return shuffle_ ? InEpoch(index, file_.size(), seed_) : index % file_.size();
  }
  std::string Where(uint64_t index) const override { return file_.Where(Place(index)); }
  std::string Note() const override {
    if (file_.left_out() + unsolved_ == 0) return "";
    return fmt::format("{} instances; left out are {} that are held out for tests or of another part, and {} unsolved",
                       file_.size(), file_.left_out(), unsolved_);
  }

 private:
  InstanceFile file_;
  size_t unsolved_ = 0;
  bool thinking_;
  uint64_t seed_;
  bool shuffle_;
};

class FileSource : public Source {
 public:
  FileSource(const std::filesystem::path& path, const std::string& key, uint64_t seed, bool shuffle)
      : records_(path, key), seed_(Mix(seed, kShuffle)), shuffle_(shuffle) {}

  Json Record(uint64_t index) const override { return records_.Get(Place(index)); }
  uint64_t size() const override { return records_.size(); }
  uint64_t Place(uint64_t index) const override {
    return shuffle_ ? InEpoch(index, records_.size(), seed_) : index % records_.size();
  }
  std::string Where(uint64_t index) const override { return records_.Where(Place(index)); }

 private:
  Records records_;
  uint64_t seed_;
  bool shuffle_;
};

}  // namespace

uint64_t Permute(uint64_t i, uint64_t n, uint64_t seed) {
  const int half = std::max(1, static_cast<int>(std::bit_width(n - 1) + 1) / 2);  // 2 * half bits hold n - 1
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = i >> half, right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t mixed = left ^ (Mix(Mix(seed, round), right) & mask);
      left = right;
      right = mixed;
    }
    i = left << half | right;
  } while (i >= n);
  return i;
}

std::unique_ptr<Source> Source::Make(const SourceConfig& config, uint64_t seed, bool held_out) {
  switch (config.type) {
    case SourceConfig::Type::kTasks:
      return std::make_unique<TaskSource>(config, seed, held_out);
    case SourceConfig::Type::kInstances:
      return std::make_unique<InstanceSource>(config, seed, held_out);
    case SourceConfig::Type::kText:
      return std::make_unique<FileSource>(config.path, "text", seed, !held_out);
    case SourceConfig::Type::kChat:
      return std::make_unique<FileSource>(config.path, "messages", seed, !held_out);
  }
  FULGUR_CHECK(false);
  return nullptr;
}

RecordEncoder::RecordEncoder(const Tokenizer& tokenizer, const ChatTemplate& chat_template, int64_t max_length)
    : tokenizer_(tokenizer), conversation_(tokenizer, chat_template), max_length_(max_length) {}

Example RecordEncoder::EncodeWhole(const Json& record, const SourceConfig& source) const {
  if (source.type != SourceConfig::Type::kText) return conversation_.EncodeRecord(record);
  Example example;
  const auto add = [&](const std::vector<int32_t>& ids) {
    example.tokens.insert(example.tokens.end(), ids.begin(), ids.end());
  };
  const auto own = [&](const std::string& text, const char* usual) {
    return text == usual && !tokenizer_.IsAdded(tokenizer_.Id(usual).value_or(-1));
  };
  add(own(source.begin, SourceConfig::kBegin) ? tokenizer_.begin_ids()
                                              : tokenizer_.Encode(source.begin, Tokenizer::Special::kRecognised));
  add(tokenizer_.Encode(record["text"].get<std::string>(), Tokenizer::Special::kPlainText));
  add(own(source.end, SourceConfig::kEnd) ? std::vector<int32_t>{conversation_.end_of_turn()}
                                          : tokenizer_.Encode(source.end, Tokenizer::Special::kRecognised));
  example.counts.assign(example.tokens.size(), 1);
  return example;
}

std::optional<Example> RecordEncoder::Encode(const Json& record, const SourceConfig& source, uint64_t random,
                                             int64_t* length) const {
  const auto limit = static_cast<size_t>(max_length_);
  Example example = EncodeWhole(record, source);
  if (length != nullptr) *length = static_cast<int64_t>(example.tokens.size());
  if (example.tokens.size() < 2) return std::nullopt;
  if (example.tokens.size() > limit) {
    if (source.type != SourceConfig::Type::kText) return std::nullopt;
    const auto begin = static_cast<std::ptrdiff_t>(Rng(random).Below(example.tokens.size() - limit + 1));
    example.tokens = std::vector<int32_t>(example.tokens.begin() + begin,
                                          example.tokens.begin() + begin + static_cast<std::ptrdiff_t>(limit));
    example.counts.resize(limit);
  }
  return example;
}

Json DataState::ToJson() const { return {{"examples", examples}, {"drawn", drawn}, {"skipped", skipped}}; }

DataState DataState::FromJson(const Json& json, size_t sources, const std::string& where) {
  DataState state;
  state.examples = static_cast<uint64_t>(JsonGet<int64_t>(json, "examples", where));
  for (auto [key, values] : {std::pair("drawn", &state.drawn), std::pair("skipped", &state.skipped)}) {
    if (!json.contains(key) || !json[key].is_array() || json[key].size() != sources) {
      throw Error("{}: \"{}\" must have a number for each of the {} sources", where, key, sources);
    }
    for (const Json& value : json[key]) {
      if (!value.is_number_unsigned()) throw Error("{}: \"{}\" holds {}, not a count", where, key, value.dump());
      values->push_back(value.get<uint64_t>());
    }
  }
  return state;
}

Mixture::Mixture(const std::vector<SourceConfig>& sources, uint64_t seed) : configs_(sources), seed_(seed) {
  for (size_t i = 0; i < configs_.size(); ++i) {
    weights_.push_back(configs_[i].weight);
    sources_.push_back(Source::Make(configs_[i], Mix(seed, i), false));
  }
}

std::vector<std::string> Mixture::Notes() const {
  std::vector<std::string> notes;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (const std::string note = sources_[i]->Note(); !note.empty()) notes.push_back(configs_[i].name + ": " + note);
  }
  return notes;
}

Mixture::Draw Mixture::Next(DataState& state) const {
  state.drawn.resize(configs_.size());
  state.skipped.resize(configs_.size());
  Rng rng(Mix(Mix(seed_, kMixture), state.examples));
  const double& weight = PickWeighted(rng, weights_, [](double w) { return w; });
  const auto source = static_cast<size_t>(&weight - weights_.data());
  const uint64_t index = state.drawn[source]++;
  ++state.examples;
  return {source, index, sources_[source]->Record(index)};
}

uint64_t Mixture::RandomOf(const Draw& draw) const { return Mix(Mix(Mix(seed_, kWindow), draw.source), draw.index); }

std::string Mixture::Where(const Draw& draw) const {
  return fmt::format("source {}, {}", configs_[draw.source].name, sources_[draw.source]->Where(draw.index));
}

Mixture TrainingMixture(const TrainConfig& config) { return Mixture(config.data, Mix(config.seed, kTrainingData)); }

BatchPacker::BatchPacker(const Mixture& mixture, const RecordEncoder& encoder, const TrainConfig::Batch& batch,
                         DataState start)
    : mixture_(mixture), encoder_(encoder), batch_(batch), state_(std::move(start)) {}

BatchPacker::Pending BatchPacker::Take() {
  if (pending_) {
    Pending pending = std::move(*pending_);
    pending_.reset();
    return pending;
  }
  DataState next = state_;
  for (int skips = 0; skips < kMostSkips; ++skips) {
    const Mixture::Draw draw = mixture_.Next(next);
    const SourceConfig& source = mixture_.configs()[draw.source];
    std::optional<Example> example;
    int64_t length = 0;
    try {
      example = encoder_.Encode(draw.record, source, mixture_.RandomOf(draw), &length);
    } catch (const Error& e) {
      throw Error("{}: {}", mixture_.Where(draw), e.what());
    }
    if (example) return {std::move(*example), next};
    longest_left_out_ = std::max(longest_left_out_, length);
    ++next.skipped[draw.source];
  }
  throw Error("{} examples in a row do not fit into batch.max_length = {} tokens; the longest has {}", kMostSkips,
              batch_.max_length, longest_left_out_);
}

StepData BatchPacker::Next() {
  StepData step;
  const int64_t batches = batch_.tokens / batch_.micro_tokens;
  for (int64_t b = 0; b < batches; ++b) {
    TokenBatch micro;
    while (true) {
      Pending next = Take();
      if (static_cast<int64_t>(micro.tokens.size() + next.example.tokens.size()) > batch_.micro_tokens) {
        pending_ = std::move(next);
        break;
      }
      micro.AddDocument(next.example.tokens, next.example.counts);
      state_ = next.after;
    }
    step.tokens += static_cast<int64_t>(micro.tokens.size());
    step.targets += micro.targets_counted();
    step.micro.push_back(std::move(micro));
  }
  step.longest_left_out = longest_left_out_;
  step.after = state_;
  return step;
}

int64_t StepsOfEpochs(const Mixture& mixture, const RecordEncoder& encoder, const TrainConfig::Batch& batch,
                      double epochs) {
  std::vector<uint64_t> wanted(mixture.configs().size(), 0);
  for (size_t s = 0; s < wanted.size(); ++s) {
    if (mixture.configs()[s].weight <= 0) continue;
    wanted[s] = static_cast<uint64_t>(std::ceil(epochs * static_cast<double>(mixture.source(s).size())));
  }
  if (std::all_of(wanted.begin(), wanted.end(), [](uint64_t n) { return n == 0; })) {
    throw Error(
        "\"epochs\" counts how often files are gone through, and the data has none; give \"steps\" or \"tokens\"");
  }
  BatchPacker packer(mixture, encoder, batch, {});
  for (int64_t steps = 1;; ++steps) {
    const DataState after = packer.Next().after;
    bool all = true;
    for (size_t s = 0; s < wanted.size(); ++s) all &= after.drawn[s] >= wanted[s];
    if (all) return steps;
  }
}

StepQueue::StepQueue(BatchPacker packer, size_t ahead) : packer_(std::move(packer)), ahead_(ahead) {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (ready_.size() >= ahead_) {
        changed_.wait(lock);
        continue;
      }
      lock.unlock();
      StepData step;
      std::exception_ptr error;
      try {
        step = packer_.Next();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error) {
        error_ = error;
        changed_.notify_all();
        return;
      }
      ready_.push_back(std::move(step));
      changed_.notify_all();
    }
  });
}

StepQueue::~StepQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

StepData StepQueue::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty() || error_; });
  if (ready_.empty()) std::rethrow_exception(error_);
  StepData step = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return step;
}

std::map<std::string, std::vector<Example>> ValidationExamples(const std::vector<SourceConfig>& sources,
                                                               const RecordEncoder& encoder, int64_t instances,
                                                               uint64_t seed) {
  std::map<std::string, std::vector<Example>> sets;
  for (const SourceConfig& config : sources) {
    std::vector<SourceConfig> parts;  // one for each task
    for (const TaskMix& task : config.tasks) {
      if (task.weight <= 0) continue;
      parts.push_back(config);
      parts.back().name = task.name;
      parts.back().tasks = {task};
    }
    if (parts.empty()) parts.push_back(config);
    for (const SourceConfig& part : parts) {
      const std::unique_ptr<Source> source = Source::Make(part, seed, true);
      std::vector<Example>& examples = sets[part.name];
      const uint64_t wanted = static_cast<uint64_t>(instances);
      const uint64_t count = source->size() > 0 ? std::min(wanted, source->size()) : wanted;
      int64_t longest = 0;
      for (uint64_t index = 0; index < count; ++index) {
        try {
          int64_t length = 0;
          if (auto example = encoder.Encode(source->Record(index), part, Mix(seed, index), &length)) {
            examples.push_back(std::move(*example));
          }
          longest = std::max(longest, length);
        } catch (const Error& e) {
          throw Error("validation, {}: {}", source->Where(index), e.what());
        }
      }
      if (examples.empty()) {
        throw Error(
            "validation: all {} examples of {} are longer than batch.max_length = {} tokens; the longest has {}", count,
            part.name, encoder.max_length(), longest);
      }
    }
  }
  return sets;
}

}  // namespace fulgur
