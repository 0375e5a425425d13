#include "engine/benchmark.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/rng.h"
#include "engine/ngram_draft.h"
#include "model/cost.h"
#include "model/pass.h"
#include "ops/peak.h"

namespace fulgur {
namespace {

double Seconds(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

std::vector<int32_t> RandomTokens(Rng& rng, const ModelConfig& config, int64_t n) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  for (int32_t& id : tokens) id = static_cast<int32_t>(rng.Below(static_cast<uint64_t>(config.vocab_size)));
  return tokens;
}

// Appends random tokens up to `depth`.
void Deepen(Pass& pass, Rng& rng, int64_t depth, int64_t chunk, const DepthProgress& progress, SequenceState& state) {
  while (state.length() < depth) {
    const std::vector<int32_t> tokens =
        RandomTokens(rng, pass.model().config(), std::min(chunk, depth - state.length()));
    const Segment segment{&state, tokens};
    pass.Forward({&segment, 1}, LogitRows::kNone);
    if (progress) progress(state.length(), depth);
  }
}

// Time, limit and share of `repeat` runs, which return what they took; point.bytes or .flops are set.
void MeasureRuns(int64_t repeat, const std::function<double()>& limit, const std::function<double()>& run,
                 BenchmarkPoint& point) {
  std::vector<double> seconds, limits, shares;
  double before = limit();
  for (int64_t i = 0; i < repeat; ++i) {
    seconds.push_back(run());
    const double after = limit();
    limits.push_back((before + after) / 2);
    shares.push_back(point.work() / seconds.back() / limits.back());
    before = after;
  }
  point.seconds = Median(seconds);
  point.limit = Median(limits);
  point.share = Median(shares);
}

BenchmarkPoint MeasurePrefill(Pass& pass, const SpeedOptions& options, Rng& rng, const SequenceState& deep) {
  BenchmarkPoint point;
  point.depth = deep.length();
  point.state_bytes = static_cast<int64_t>(deep.bytes());
  point.format = pass.model().params().layers[0].experts[0].w1.packed.format();
  point.tokens = options.prompt;
  point.flops = ForwardFlops(pass.model().config(), point.depth, options.prompt);
  const auto run = [&] {
    SequenceState state = deep;
    const std::vector<int32_t> tokens = RandomTokens(rng, pass.model().config(), options.prompt);
    const Segment segment{&state, tokens};
    return Seconds([&] { pass.Forward({&segment, 1}, LogitRows::kLast); });
  };
  run();  // allocates, and does not count
  MeasureRuns(
      options.repeat, [&] { return MeasurePeakOf(point.format, pass.model().exec()); }, run, point);
  return point;
}

BenchmarkPoint MeasureDecoding(Pass& pass, const SpeedOptions& options, Rng& rng, const SequenceState& deep,
                               int64_t batch) {
  const ModelConfig& config = pass.model().config();
  BenchmarkPoint point;
  point.decode = true;
  point.depth = deep.length();
  point.state_bytes = static_cast<int64_t>(deep.bytes());
  point.batch = batch;
  point.tokens = batch * options.generate;

  std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(batch));  // one each, drawn for every step
  const auto step = [&](std::vector<SequenceState>& states, const Observer* observer) {
    std::vector<Segment> segments;
    for (size_t i = 0; i < states.size(); ++i) segments.push_back({&states[i], tokens[i]});
    pass.Forward(segments, LogitRows::kAll, observer);
  };
  const auto draw = [&] {
    for (std::vector<int32_t>& t : tokens) t = RandomTokens(rng, config, 1);
  };

  const auto run = [&](const Observer* observer) {
    std::vector<SequenceState> states(static_cast<size_t>(batch), deep);
    double sum = 0;
    for (int64_t i = 0; i < options.generate; ++i) {
      draw();
      sum += Seconds([&] { step(states, observer); });
    }
    return sum;
  };

  // One run that does not count shows which experts the steps choose.
  int64_t experts = 0;
  const Observer count = [&](const std::string& name, ConstMatrixView values) {
    std::set<float> chosen;
    if (!name.starts_with("selected_experts.")) return;
    for (int64_t r = 0; r < values.rows; ++r) chosen.insert(values.row(r), values.row(r) + values.cols);
    experts += std::ssize(chosen);
  };
  run(&count);
  for (int64_t i = 0; i < options.generate; ++i) {
    point.bytes += BytesOfDecoding(config, pass.model().params(), 0, batch, point.depth + i, deep.kv_format()).total();
  }
  point.bytes += BytesOfDecoding(config, pass.model().params(), experts, batch, 0).weights -
                 BytesOfDecoding(config, pass.model().params(), 0, batch, 0).weights;
  MeasureRuns(
      options.repeat, [&] { return MeasureReadBandwidth(pass.model().exec()); }, [&] { return run(nullptr); }, point);
  return point;
}

// Goes through `text` from the given state on, with at most `draft` tokens drafted in a pass; adds up what it took.
double FollowText(Pass& pass, SequenceState state, std::span<const int32_t> before, std::span<const int32_t> text,
                  int64_t draft, DraftingPoint* point) {
  NgramDraft ngrams;
  DraftPlan plan;
  ngrams.Append(before);
  const auto start = std::chrono::steady_clock::now();
  std::vector<int32_t> tokens;
  for (size_t at = 0; at + 1 < text.size();) {
    ngrams.Append(text[at]);
    tokens.assign(1, text[at]);
    const int64_t left = static_cast<int64_t>(text.size() - at) - 2;
    const DraftPlan::Sequence sequence{&ngrams, std::min({draft, DraftRoom(state.length() + 1), left})};
    const int64_t count = draft > 0 ? plan.Choose({&sequence, 1}, 1).front() : 0;
    for (int64_t j = 0; j < count; ++j) tokens.push_back(ngrams.Token(j));
    const Segment segment{&state, tokens, 1 + count};
    plan.Measure(1 + count, Seconds([&] { pass.Forward({&segment, 1}, LogitRows::kLast); }));
    int64_t right = 0;
    ++at;
    while (right < count && tokens[static_cast<size_t>(1 + right)] == text[at]) {
      ngrams.Append(text[at++]);
      ++right;
    }
    state.Truncate(state.length() - count + right);
    if (point == nullptr) continue;
    ++point->passes;
    point->drafted += count;
    point->accepted += right;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

DraftingPoint MeasureDrafting(Pass& pass, const SpeedOptions& options, Rng& rng, const SequenceState& deep,
                              bool repeats) {
  DraftingPoint point;
  point.repeats = repeats;
  point.depth = deep.length();
  point.tokens = options.generate;
  const std::vector<int32_t> block = RandomTokens(rng, pass.model().config(), 64),
                             same = RandomTokens(rng, pass.model().config(), 3);
  std::vector<int32_t> text;
  while (std::ssize(text) <= options.generate) {
    const std::vector<int32_t> other = RandomTokens(rng, pass.model().config(), 4);
    text.insert(text.end(), repeats ? block.begin() : same.begin(), repeats ? block.end() : same.end());
    if (!repeats) text.insert(text.end(), other.begin(), other.end());
  }
  text.resize(static_cast<size_t>(options.generate) + 1);
  const std::vector<int32_t>& before = repeats ? block : same;  // as if the prompt had it
  std::vector<double> plain, drafted;
  for (int64_t run = -1; run < options.repeat; ++run) {  // the first does not count
    const double without = FollowText(pass, deep, before, text, 0, nullptr);
    const double with = FollowText(pass, deep, before, text, options.draft, run == 0 ? &point : nullptr);
    if (run < 0) continue;
    plain.push_back(without);
    drafted.push_back(with);
  }
  point.plain_seconds = Median(plain);
  point.draft_seconds = Median(drafted);
  return point;
}

void Check(const char* name, int64_t value, int64_t least) {
  if (value < least) throw Error("{} must be at least {}, found {}", name, least, value);
}

void CheckOptions(const Model& model, const SpeedOptions& options) {
  Check("prompt", options.prompt, 0);
  Check("generate", options.generate, 0);
  Check("repeat", options.repeat, 1);
  Check("chunk", options.chunk, 1);
  const int64_t context = model.config().max_position_embeddings;
  for (const int64_t depth : options.depths) {
    Check("depth", depth, 0);
    const int64_t length = depth + std::max(options.prompt, options.generate);
    if (context > 0 && length > context) {
      throw Error("depth {} makes sequences of {} tokens; the model's context is {}", depth, length, context);
    }
  }
  for (const int64_t batch : options.batches) Check("batch", batch, 1);
  Check("draft", options.draft, 0);
}

}  // namespace

Json BenchmarkPoint::ToJson() const {
  Json json = {{"test", decode ? "decode" : "prefill"},
               {"depth", depth},
               {"batch", batch},
               {"tokens", tokens},
               {"state_bytes", state_bytes},
               {"seconds", seconds},
               {"tokens_per_second", tokens_per_second()}};
  if (decode) {
    json["bytes"] = bytes;
    json["gb_per_second"] = rate();
    json["read_bandwidth_gb_per_second"] = limit;
    if (expected_seconds > 0) json["expected_seconds"] = expected_seconds;
  } else {
    json["flops"] = flops;
    json["gflop_per_second"] = rate();
    json["peak_gflop_per_second"] = limit;
    json["weights"] = WeightFormatName(format);
  }
  json["share"] = share;
  return json;
}

Json DraftingPoint::ToJson() const {
  return {{"test", "drafting"},
          {"text", repeats ? "repeats" : "misleads"},
          {"depth", depth},
          {"tokens", tokens},
          {"passes", passes},
          {"drafted", drafted},
          {"accepted", accepted},
          {"plain_seconds", plain_seconds},
          {"draft_seconds", draft_seconds},
          {"speedup", speedup()}};
}

std::vector<BenchmarkPoint> RunBenchmark(Model& model, const SpeedOptions& options,
                                         const std::function<void(const BenchmarkPoint&)>& done,
                                         const DepthProgress& progress,
                                         const std::function<void(const DraftingPoint&)>& drafted) {
  CheckOptions(model, options);
  Pass pass(model);
  std::vector<BenchmarkPoint> points;
  const auto add = [&](BenchmarkPoint point) {
    const auto first = std::find_if(points.begin(), points.end(), [&](const BenchmarkPoint& p) {
      return p.decode && point.decode && p.batch == point.batch;
    });
    if (first != points.end()) point.expected_seconds = first->seconds * point.bytes / first->bytes;
    points.push_back(point);
    done(point);
  };
  Rng rng(options.seed);
  SequenceState deep = model.NewState();
  for (const int64_t depth : options.depths) {
    if (deep.length() > depth) deep = model.NewState();
    Deepen(pass, rng, depth, options.chunk, progress, deep);
    if (options.prompt > 0) add(MeasurePrefill(pass, options, rng, deep));
    if (options.generate == 0) continue;
    for (const int64_t batch : options.batches) add(MeasureDecoding(pass, options, rng, deep, batch));
    if (options.draft == 0 || !drafted) continue;
    for (const bool repeats : {true, false}) drafted(MeasureDrafting(pass, options, rng, deep, repeats));
  }
  return points;
}

}  // namespace fulgur
