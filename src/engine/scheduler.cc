#include "engine/scheduler.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <future>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/file.h"
#include "engine/state_file.h"

namespace fulgur {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

constexpr size_t kMaxRememberedSessions = 1024;
constexpr auto kStatsEvery = std::chrono::milliseconds(50);
constexpr int64_t kWorthFollowing = 64;  // tokens in common with a prompt in progress that are worth waiting for
constexpr int kMostLeaders = 4;
constexpr auto kMostDiskWait = std::chrono::seconds(10);  // of a request, for a spilled state

void CheckSessionName(const std::string& name) {
  constexpr const char* kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (name.empty() || name.size() > 64 || name[0] == '.' || name.find_first_not_of(kAllowed) != std::string::npos) {
    throw Error("\"{}\" is not a session name: 1 to 64 letters, digits, '.', '_', '-', not beginning with a dot", name);
  }
}

}  // namespace

const char* PhaseName(RequestStats::Phase phase) {
  switch (phase) {
    case RequestStats::Phase::kQueued:
      return "queued";
    case RequestStats::Phase::kPrefill:
      return "prefill";
    case RequestStats::Phase::kGenerating:
      return "generating";
  }
  return "";
}

struct Scheduler::Impl {
  // An accepted request. After Submit it belongs to the thread.
  struct Entry {
    int64_t id = 0;
    ScheduledRequest request;  // `generation` moves to the engine
    OutputCallback callback;
    Clock::time_point submitted, begun;
    int64_t prompt_tokens = 0, outputs = 1, cached = 0;
    int64_t engine_number = 0;                 // 0: still queued
    std::optional<Clock::time_point> reading;  // since when it waits for a spilled state
    bool first_token = false;
    // A request whose prompt is being processed and begins as this one's: it is waited for up to a checkpoint.
    std::weak_ptr<Entry> leader;
    int64_t leader_position = 0;
    int leaders = 0;  // so far
    std::vector<bool> finished;
    int64_t finished_count = 0, output_tokens = 0;
    std::vector<int32_t> ids;     // prompt and first output, for the prefix cache
    int64_t last_checkpoint = 0;  // tokens of the last state that the cache was given
    int64_t version = 0;          // of the weights when it began
    bool cancelled = false, end_thinking = false;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  Impl(LoadedModel& loaded, SchedulerOptions given)
      : loaded(loaded),
        options(std::move(given)),
        config(loaded.model->config()),
        engine(*loaded.model, loaded.tokenizer, options.engine),
        max_context(engine.max_context()),
        cache(config, CacheOptions(), [this] { Wake(); }) {
    if (options.max_queued < 0) throw Error("max_queued is {}; it must be at least 0", options.max_queued);
    if (options.max_queued_tokens < 0) {
      throw Error("max_queued_tokens is {}; it must be at least 0", options.max_queued_tokens);
    }
    if (!options.session_folder.empty()) std::filesystem::create_directories(options.session_folder);
    Publish();
    thread = std::thread([this] { Run(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      draining = stop = true;
    }
    changed.notify_all();
    thread.join();
  }

  PrefixCacheOptions CacheOptions() {
    weights_key = loaded.weights_key;
    if (options.cache.model_key.empty()) options.cache.model_key = weights_key;
    return options.cache;
  }

  // ---- any thread ----

  void Wake() {
    {
      std::lock_guard lock(mutex);
      woken = true;
    }
    changed.notify_all();
  }

  // Runs it on the scheduler's thread between two steps, with the engine idle if asked for, and waits.
  void Command(std::function<void()> run, bool when_idle = false) {
    if (std::this_thread::get_id() == thread.get_id()) throw Error("this cannot be called from a callback");
    auto task = std::make_shared<std::packaged_task<void()>>(std::move(run));
    std::future<void> done = task->get_future();
    {
      std::lock_guard lock(mutex);
      if (stop) throw Draining("the scheduler has stopped");
      commands.push_back({std::move(task), when_idle});
    }
    changed.notify_all();
    try {
      done.get();
    } catch (const std::future_error&) {
      throw Draining("the scheduler has stopped");
    }
  }

  int64_t Submit(ScheduledRequest request, OutputCallback callback) {
    Validate(request);
    auto entry = std::make_shared<Entry>();
    entry->request = std::move(request);
    entry->callback = std::move(callback);
    entry->prompt_tokens = static_cast<int64_t>(entry->request.generation.prompt.size());
    entry->outputs = entry->request.generation.outputs;
    entry->finished.resize(static_cast<size_t>(entry->outputs));
    entry->submitted = Clock::now();
    {
      std::lock_guard lock(mutex);
      if (draining) throw Draining("the server is shutting down and takes no new requests");
      const bool full = options.max_queued > 0 && queued >= options.max_queued;
      const bool full_tokens = options.max_queued_tokens > 0 && queued > 0 &&
                               queued_tokens + entry->prompt_tokens > options.max_queued_tokens;
      if (full || full_tokens) {
        ++counters.rejected;
        const auto retry = std::chrono::seconds(std::clamp<int64_t>(std::llround(std::ceil(begin_interval)), 1, 60));
        if (full) throw QueueFull(fmt::format("{} requests are waiting; no more can", queued), retry);
        throw QueueFull(
            fmt::format("{} prompt tokens are waiting; {} more cannot", queued_tokens, entry->prompt_tokens), retry);
      }
      entry->id = next_id++;
      ++queued;
      queued_tokens += entry->prompt_tokens;
      ++counters.submitted;
      inbox.push_back(entry);
      idle = false;
    }
    changed.notify_all();
    return entry->id;
  }

  void Validate(const ScheduledRequest& request) const {
    if (request.generation.state) throw Error("the state of a request is the scheduler's");
    if (!request.session.empty()) CheckSessionName(request.session);
    engine.Validate(request.generation);
  }

  // ---- the scheduler's thread ----

  void Run() {
    bool worked = true;
    while (true) {
      std::vector<EntryPtr> fresh;
      std::vector<std::pair<int64_t, bool>> asked;
      std::vector<PendingCommand> run;
      {
        std::unique_lock lock(mutex);
        if (!worked) {
          idle = live.empty() && inbox.empty();
          if (idle) changed.notify_all();
          const auto ready = [&] { return stop || woken || !inbox.empty() || !wishes.empty() || !commands.empty(); };
          if (const auto deadline = NextDeadline()) {
            changed.wait_until(lock, *deadline, ready);
          } else {
            changed.wait(lock, ready);
          }
        }
        if (stop) break;
        woken = false;
        fresh.swap(inbox);
        asked.swap(wishes);
        run.swap(commands);
        idle = false;
      }
      for (EntryPtr& entry : fresh) {
        live[entry->id] = entry;
        const auto before = std::find_if(queue.begin(), queue.end(), [&](const EntryPtr& e) {
          return e->request.priority < entry->request.priority;
        });
        queue.insert(before, std::move(entry));
      }
      for (const auto& [id, end_thinking] : asked) Take(id, end_thinking);
      for (PendingCommand& command : run) waiting_commands.push_back(std::move(command));
      RunCommands();
      Expire();
      worked = Admit();
      worked |= Step();
      worked |= RunCommands();
      Publish(/*force=*/!worked);
    }
    Stop();
  }

  std::optional<Clock::time_point> NextDeadline() const {
    std::optional<Clock::time_point> next;
    for (const auto& [id, entry] : live) {
      const auto& deadline = entry->request.deadline;
      if (deadline && (!next || *deadline < *next)) next = deadline;
    }
    return next;
  }

  void Take(int64_t id, bool end_thinking) {
    const auto it = live.find(id);
    if (it == live.end()) return;
    const EntryPtr entry = it->second;
    if (entry->engine_number == 0) {
      if (end_thinking) {
        entry->end_thinking = true;
      } else {
        EndQueued(entry, FinishReason::kCancelled, "");
      }
    } else if (end_thinking) {
      engine.EndThinking(entry->engine_number);
    } else {
      engine.Cancel(entry->engine_number);
    }
  }

  bool RunCommands() {
    bool any = false;
    for (auto it = waiting_commands.begin(); it != waiting_commands.end();) {
      if (it->when_idle && (engine.running() > 0 || engine.waiting() > 0)) {
        ++it;
        continue;
      }
      const auto task = it->task;
      it = waiting_commands.erase(it);
      (*task)();
      any = true;
    }
    return any;
  }

  bool Holding() const {
    return std::any_of(waiting_commands.begin(), waiting_commands.end(),
                       [](const PendingCommand& c) { return c.when_idle; });
  }

  void Expire() {
    const Clock::time_point now = Clock::now();
    std::vector<EntryPtr> late;
    for (const auto& [id, entry] : live) {
      if (entry->request.deadline && *entry->request.deadline <= now) late.push_back(entry);
    }
    for (const EntryPtr& entry : late) {
      const char* message = entry->engine_number == 0 ? "the deadline passed while the request was waiting"
                                                      : "the deadline passed before the output was finished";
      entry->request.deadline.reset();
      if (entry->engine_number == 0) {
        EndQueued(entry, FinishReason::kDeadline, message);
      } else {
        engine.Cancel(entry->engine_number, FinishReason::kDeadline, message);
      }
    }
  }

  // Hands requests to the engine while it has room.
  bool Admit() {
    bool any = false;
    if (Holding()) return false;
    for (auto it = queue.begin(); it != queue.end();) {
      const EntryPtr entry = *it;
      const int priority = entry->request.priority;
      const int64_t same = engine.waiting(priority);
      // Outputs of one prompt that wait for room must not keep out a higher priority.
      const bool overtakes = same == 0 && engine.waiting() > 0;
      if (engine.running() + same >= options.engine.max_batch && !overtakes) break;
      const std::vector<int32_t>& prompt = entry->request.generation.prompt;
      if (entry->request.use_cache) {
        const auto now = Clock::now();
        if ((!entry->reading || now < *entry->reading + kMostDiskWait) && !cache.Prepare(prompt)) {
          if (!entry->reading) entry->reading = now;
          ++it;  // the others go on meanwhile
          continue;
        }
        if (Follows(*entry)) {
          ++it;
          continue;
        }
      }
      it = queue.erase(it);
      Begin(entry);
      any = true;
    }
    return any;
  }

  // Whether the request had better wait until a prompt that is being processed has come to where the two part: then it
  // resumes from there.
  bool Follows(Entry& entry) {
    if (const EntryPtr leader = entry.leader.lock()) {
      if (IsPrefilling(*leader) && leader->last_checkpoint < entry.leader_position) return true;
      entry.leader.reset();
    }
    if (entry.leaders >= kMostLeaders || !cache.enabled()) return false;
    const std::vector<int32_t>& prompt = entry.request.generation.prompt;
    EntryPtr best;
    int64_t most = 0;
    for (const EntryPtr& other : prefilling) {
      if (!IsPrefilling(*other) || other->version != version) continue;
      if (other->request.priority < entry.request.priority) continue;
      const auto differ = std::mismatch(prompt.begin(), prompt.end() - 1, other->ids.begin(), other->ids.end()).first;
      if (differ - prompt.begin() > most) most = differ - prompt.begin(), best = other;
    }
    if (most < kWorthFollowing || most < cache.Match(prompt) + kWorthFollowing) return false;
    const int64_t position = engine.AddCheckpoint(best->engine_number, most);
    if (position <= best->last_checkpoint) return false;
    entry.leader = best;
    entry.leader_position = position;
    ++entry.leaders;
    return true;
  }

  static bool IsPrefilling(const Entry& e) { return e.engine_number != 0 && !e.first_token && e.finished_count == 0; }

  void Begin(const EntryPtr& entry) {
    GenerationRequest& g = entry->request.generation;
    g.priority = entry->request.priority;
    g.checkpoints.clear();
    entry->version = version;
    entry->ids = g.prompt;
    if (entry->request.use_cache) {
      g.state = cache.Lookup(g.prompt);
      entry->cached = g.state ? g.state->length() : 0;
      entry->last_checkpoint = entry->cached;
      g.checkpoints = cache.Checkpoints(g.prompt, entry->cached, entry->request.checkpoints);
      g.on_checkpoint = [this, e = std::weak_ptr<Entry>(entry)](const SequenceState& state) {
        const EntryPtr held = e.lock();
        if (!held || held->version != version) return;
        cache.Insert(held->ids, state);
        held->last_checkpoint = state.length();
      };
    }
    entry->begun = Clock::now();
    const double waited = std::chrono::duration<double>(entry->begun - entry->submitted).count();
    {
      std::lock_guard lock(mutex);
      --queued;
      queued_tokens -= entry->prompt_tokens;
      const double interval = std::chrono::duration<double>(entry->begun - last_begin).count();
      begin_interval += 0.1 * (std::min(interval, 10.0) - begin_interval);  // a quiet hour says nothing
      last_begin = entry->begun;
    }
    ++counters.begun;
    counters.queue_seconds += waited;
    counters.prompt_tokens += entry->prompt_tokens;
    counters.cached_tokens += entry->cached;
    try {
      entry->engine_number =
          engine.Submit(std::move(g), [this, entry](const OutputEvent& event) { OnEvent(*entry, event); });
      if (entry->end_thinking) engine.EndThinking(entry->engine_number);
      std::erase_if(prefilling, [&](const EntryPtr& e) { return !IsPrefilling(*e); });
      if (entry->request.use_cache) prefilling.push_back(entry);
    } catch (const std::exception& e) {
      End(*entry, FinishReason::kError, e.what());
    }
  }

  void OnEvent(Entry& entry, const OutputEvent& given) {
    OutputEvent event = given;
    event.request = entry.id;
    if (!entry.first_token && !event.tokens.empty()) {
      entry.first_token = true;
      ++counters.first_tokens;
      counters.prefill_seconds += Since(entry.begun);
    }
    const int64_t tokens = static_cast<int64_t>(event.tokens.size());
    entry.output_tokens += tokens;
    counters.output_tokens += tokens;
    if (event.output == 0) {
      for (const OutputToken& t : event.tokens) entry.ids.push_back(t.id);
    }
    if (event.end != nullptr) {
      OutputEnd& end = *event.end;
      end.weights_version = version;
      counters.thinking_tokens += end.thinking_tokens;
      if (event.output == 0) Remember(entry, event.state);
    }
    OutputEvent delivered = event;
    delivered.state = nullptr;
    Deliver(entry, delivered);
  }

  // Passes an event on; at the last one of the last output forgets the request.
  void Deliver(Entry& entry, const OutputEvent& event) {
    if (event.end != nullptr) {
      entry.finished[static_cast<size_t>(event.output)] = true;
      ++entry.finished_count;
      ++counters.finished[static_cast<size_t>(event.end->reason)];
    }
    try {
      if (entry.callback) entry.callback(event);
    } catch (const std::exception& e) {
      if (entry.engine_number != 0) {
        engine.Cancel(entry.engine_number, FinishReason::kError, fmt::format("the callback failed: {}", e.what()));
      }
    }
    if (entry.finished_count == entry.outputs) live.erase(entry.id);  // `entry` is held by the caller
  }

  // The end of a turn. state: of its last event; moved from if it is kept.
  void Remember(Entry& entry, SequenceState* state) {
    if (entry.version != version) return;
    const bool named = !entry.request.session.empty();
    if (named) {
      if (sessions.size() >= kMaxRememberedSessions && !sessions.count(entry.request.session)) {
        sessions.erase(std::min_element(sessions.begin(), sessions.end(),
                                        [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
      }
      sessions[entry.request.session] = {entry.ids, ++session_clock};
    }
    if (state == nullptr || !entry.request.use_cache || (entry.outputs > 1 && !named)) return;
    if (state->length() < entry.last_checkpoint + options.cache.min_tokens) return;
    cache.Insert(entry.ids, std::move(*state));
  }

  void EndQueued(const EntryPtr& entry, FinishReason reason, const std::string& message) {
    queue.remove(entry);
    {
      std::lock_guard lock(mutex);
      --queued;
      queued_tokens -= entry->prompt_tokens;
    }
    End(*entry, reason, message);
  }

  // Ends what is not finished, without the engine.
  void End(Entry& entry, FinishReason reason, const std::string& message) {
    const auto held = live.find(entry.id);
    const EntryPtr keep = held == live.end() ? nullptr : held->second;
    entry.engine_number = 0;
    for (int64_t i = 0; i < entry.outputs; ++i) {
      if (entry.finished[static_cast<size_t>(i)]) continue;
      OutputEnd end;
      end.reason = reason;
      end.message = message;
      end.prompt_tokens = entry.prompt_tokens;
      end.reused_tokens = entry.cached;
      end.weights_version = version;
      Deliver(entry, {entry.id, i, {}, {}, &end, {}});
    }
  }

  bool Step() {
    const auto begin = Clock::now();
    bool worked = false;
    try {
      worked = engine.Step();
    } catch (const std::exception& e) {
      // Outside the forward pass nothing is expected to throw; what the engine holds is unknown now.
      ++counters.failed_steps;
      FailAll(fmt::format("a step failed: {}", e.what()));
      return true;
    }
    const StepStats& step = engine.last_step();
    if (step.decode_tokens + step.prefill_tokens > 0) {
      ++counters.steps;
      counters.failed_steps += step.failed;
      counters.prefill_tokens += step.prefill_tokens;
      counters.drafted_tokens += step.drafted_tokens;
      counters.accepted_tokens += step.accepted_tokens;
      counters.forward_seconds += step.forward_seconds;
      counters.step_decode_tokens = step.decode_tokens;
      counters.step_prefill_tokens = step.prefill_tokens;
      counters.step_seconds = Since(begin);
      counters.busy_seconds += counters.step_seconds;
    }
    return worked;
  }

  void FailAll(const std::string& message) {
    engine.Abandon();
    std::vector<EntryPtr> begun;
    for (const auto& [id, entry] : live) {
      if (entry->engine_number != 0) begun.push_back(entry);
    }
    for (const EntryPtr& entry : begun) End(*entry, FinishReason::kError, message);
  }

  void Stop() {
    std::vector<EntryPtr> rest;
    {
      std::lock_guard lock(mutex);
      rest.swap(inbox);
      for (PendingCommand& command : commands) waiting_commands.push_back(std::move(command));
      commands.clear();
    }
    for (const EntryPtr& entry : rest) live[entry->id] = entry;
    std::vector<EntryPtr> all;
    for (const auto& [id, entry] : live) all.push_back(entry);
    engine.Abandon();
    for (const EntryPtr& entry : all) End(*entry, FinishReason::kCancelled, "the server is shutting down");
    queue.clear();
    prefilling.clear();
    waiting_commands.clear();  // their futures end with broken_promise
    if (options.spill_at_exit) cache.SpillAll();
    std::lock_guard lock(mutex);
    idle = true;
    changed.notify_all();
  }

  void UseWeights(const std::function<void()>& change, std::string key) {
    change();
    weights_key = std::move(key);
    ++version;
    cache.Clear(weights_key);
    sessions.clear();
    Publish(/*force=*/true);
  }

  // Makes the counters and, now and then, the requests visible to stats().
  void Publish(bool force = false) {
    const Clock::time_point now = Clock::now();
    const bool details = force || now - published_at >= kStatsEvery;
    std::vector<RequestStats> requests;
    SchedulerStats s;
    if (details) {
      published_at = now;
      std::map<int64_t, RequestProgress> progress;
      for (RequestProgress& p : engine.Progress()) progress[p.request] = p;
      for (const auto& [id, entry] : live) {
        RequestStats r;
        r.id = id;
        r.priority = entry->request.priority;
        r.age_seconds = std::chrono::duration<double>(now - entry->submitted).count();
        r.prompt_tokens = entry->prompt_tokens;
        r.cached_tokens = entry->cached;
        r.outputs = entry->outputs;
        r.outputs_finished = entry->finished_count;
        r.output_tokens = entry->output_tokens;
        if (entry->engine_number != 0) {
          const RequestProgress& p = progress[entry->engine_number];
          r.phase = p.prefilled ? RequestStats::Phase::kGenerating : RequestStats::Phase::kPrefill;
          r.prefilled_tokens = p.prefilled_tokens;
          r.in_thinking = p.in_thinking;
          s.running_bytes += p.bytes;
          s.prefilling += !p.prefilled;
        }
        requests.push_back(r);
      }
    }
    const PrefixCacheStats cached = details ? cache.stats() : PrefixCacheStats();
    std::lock_guard lock(mutex);
    if (details) {
      snapshot.requests = std::move(requests);
      snapshot.running_bytes = s.running_bytes;
      snapshot.prefilling = s.prefilling;
      snapshot.cache = cached;
    }
    counters.running = engine.running();
    counters.weights_version = public_version = version;
    published = counters;
  }

  SchedulerStats Stats() const {
    std::lock_guard lock(mutex);
    SchedulerStats s = published;
    s.requests = snapshot.requests;
    s.running_bytes = snapshot.running_bytes;
    s.prefilling = snapshot.prefilling;
    s.cache = snapshot.cache;
    s.queued = queued;
    s.queued_tokens = queued_tokens;
    s.max_batch = options.engine.max_batch;
    s.max_context = max_context;
    s.draining = draining;
    s.submitted = counters.submitted;
    s.rejected = counters.rejected;
    s.uptime_seconds = Since(started);
    return s;
  }

  std::filesystem::path SessionPath(const std::string& name) const {
    CheckSessionName(name);
    if (options.session_folder.empty()) throw Error("sessions cannot be saved: there is no folder for them");
    return options.session_folder / name;
  }

  LoadedModel& loaded;
  SchedulerOptions options;
  const ModelConfig config;
  mutable std::mutex mutex;  // before the cache, whose thread calls Wake
  std::condition_variable changed;
  bool woken = false;
  ExecContext& exec{loaded.model->exec()};
  std::string weights_key;
  Engine engine;
  const int64_t max_context;
  PrefixCache cache;
  const Clock::time_point started = Clock::now();

  struct PendingCommand {
    std::shared_ptr<std::packaged_task<void()>> task;
    bool when_idle = false;
  };
  struct Session {
    std::vector<int32_t> ids;
    int64_t used = 0;
  };

  // The scheduler's thread's.
  std::map<int64_t, EntryPtr> live;  // accepted and not finished
  std::list<EntryPtr> queue;         // of them those that wait: by priority, then in order of arrival
  std::vector<EntryPtr> prefilling;  // that others may follow; some have already a first token
  std::vector<PendingCommand> waiting_commands;
  std::map<std::string, Session> sessions;
  int64_t session_clock = 0;
  int64_t version = 1;
  SchedulerStats counters;  // submitted and rejected: under the mutex
  Clock::time_point published_at;

  // Under the mutex.
  std::vector<EntryPtr> inbox;
  std::vector<std::pair<int64_t, bool>> wishes;  // id; true: end the thinking, false: cancel
  std::vector<PendingCommand> commands;
  int64_t next_id = 1;
  int64_t queued = 0, queued_tokens = 0;
  Clock::time_point last_begin = Clock::now();
  double begin_interval = 1;  // seconds between two requests that begin, smoothed
  bool draining = false, stop = false, idle = false;
  SchedulerStats snapshot, published;
  std::atomic<int64_t> public_version{1};

  std::mutex reloading;  // one Reload or UpdateWeights at a time
  mutable std::mutex sessions_on_disk;

  std::thread thread;  // last: it uses everything above
};

Scheduler::Scheduler(LoadedModel& loaded, SchedulerOptions options)
    : impl_(std::make_unique<Impl>(loaded, std::move(options))) {}

Scheduler::~Scheduler() = default;

int64_t Scheduler::Submit(ScheduledRequest request, OutputCallback callback) {
  return impl_->Submit(std::move(request), std::move(callback));
}

void Scheduler::Validate(const ScheduledRequest& request) const { impl_->Validate(request); }

void Scheduler::Cancel(int64_t id) {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->wishes.emplace_back(id, false);
  }
  impl_->changed.notify_all();
}

void Scheduler::EndThinking(int64_t id) {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->wishes.emplace_back(id, true);
  }
  impl_->changed.notify_all();
}

SchedulerStats Scheduler::stats() const { return impl_->Stats(); }
int64_t Scheduler::weights_version() const { return impl_->public_version; }
const ModelConfig& Scheduler::config() const { return impl_->config; }
int64_t Scheduler::max_context() const { return impl_->max_context; }

int64_t Scheduler::Reload(const std::filesystem::path& folder, ReloadMode mode) {
  Impl& m = *impl_;
  std::lock_guard lock(m.reloading);
  const ModelConfig config = ModelConfig::FromFile(folder / "config.json");
  if (config.ToJson() != m.config.ToJson()) {
    throw Error("{} has another configuration than the model that is being served; it must be the same",
                folder.string());
  }
  const auto tokenizer = [](const std::filesystem::path& dir) {
    return std::filesystem::exists(dir / "tokenizer.json") ? ReadFile(dir / "tokenizer.json") : std::string();
  };
  const std::string theirs = tokenizer(folder);
  if (!theirs.empty() && theirs != tokenizer(m.loaded.folder)) {
    throw Error("{} has another tokenizer.json than the model that is being served; it must be the same",
                folder.string());
  }
  const KvFormat kv_format = m.loaded.model->kv_format();
  std::string key = fmt::format("{}-{}", WeightsKey(folder), KvFormatName(kv_format));
  std::unique_ptr<Model> model = Model::Load(folder, m.exec);
  model->set_kv_format(kv_format);
  int64_t version = 0;
  m.Command(
      [&] {
        m.UseWeights(
            [&] {
              m.loaded.model.swap(model);
              m.engine.UseModel(*m.loaded.model);
            },
            std::move(key));
        version = m.version;
      },
      mode == ReloadMode::kFinishFirst);
  return version;
}

int64_t Scheduler::UpdateWeights(const std::function<void(Model&)>& update, ReloadMode mode) {
  Impl& m = *impl_;
  std::lock_guard lock(m.reloading);
  int64_t version = 0;
  m.Command(
      [&] {
        m.UseWeights(
            [&] {
              update(*m.loaded.model);
              m.engine.UseModel(*m.loaded.model);
            },
            // Weights that no folder has.
            fmt::format("{} {} {}", m.weights_key, m.version,
                        std::chrono::system_clock::now().time_since_epoch().count()));
        version = m.version;
      },
      mode == ReloadMode::kFinishFirst);
  return version;
}

SessionInfo Scheduler::SaveSession(const std::string& name) {
  Impl& m = *impl_;
  const std::filesystem::path base = m.SessionPath(name);
  std::vector<int32_t> ids;
  std::optional<SequenceState> state;
  std::string key;
  m.Command([&] {
    const auto session = m.sessions.find(name);
    if (session == m.sessions.end()) throw Error("there is no session \"{}\"", name);
    ids = session->second.ids;
    state = m.cache.Peek(ids);
    key = m.weights_key;
  });
  if (!state) throw Error("nothing of session \"{}\" is in the prefix cache any more", name);
  std::lock_guard lock(m.sessions_on_disk);
  const StateEntry entry = WriteStateFiles(base, ids, *state, key, m.config);
  return {name, entry.length, std::move(ids), entry.bytes};
}

SessionInfo Scheduler::RestoreSession(const std::string& name) {
  Impl& m = *impl_;
  const std::filesystem::path base = m.SessionPath(name);
  StateEntry entry;
  std::optional<SequenceState> state;
  {
    std::lock_guard lock(m.sessions_on_disk);
    if (!std::filesystem::exists(base.string() + kEntrySuffix)) throw Error("there is no saved session \"{}\"", name);
    entry = ReadStateEntry(base);
    state = ReadState(base, entry, m.config);
  }
  m.Command([&] {
    if (entry.model_key != m.weights_key) throw Error("session \"{}\" was saved with other weights", name);
    m.cache.Insert(entry.tokens, std::move(*state));
    m.sessions[name] = {entry.tokens, ++m.session_clock};
  });
  return {name, entry.length, std::move(entry.tokens), entry.bytes};
}

std::vector<SessionInfo> Scheduler::Sessions() const {
  const Impl& m = *impl_;
  std::vector<SessionInfo> all;
  if (m.options.session_folder.empty()) return all;
  std::lock_guard lock(m.sessions_on_disk);
  for (const auto& file : std::filesystem::directory_iterator(m.options.session_folder)) {
    if (file.path().extension() != kEntrySuffix) continue;
    try {
      const StateEntry entry = ReadStateEntry(file.path().parent_path() / file.path().stem());
      all.push_back({file.path().stem().string(), entry.length, {}, entry.bytes});
    } catch (const Error&) {  // damaged: it is not one of those that can be restored
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return all;
}

void Scheduler::DeleteSession(const std::string& name) {
  const std::filesystem::path base = impl_->SessionPath(name);
  std::lock_guard lock(impl_->sessions_on_disk);
  if (!std::filesystem::exists(base.string() + kEntrySuffix)) throw Error("there is no saved session \"{}\"", name);
  RemoveStateFiles(base);
}

bool Scheduler::Drain(std::chrono::milliseconds timeout) {
  Impl& m = *impl_;
  const auto until = Clock::now() + timeout;
  {
    std::unique_lock lock(m.mutex);
    m.draining = true;
    if (m.changed.wait_until(lock, until, [&] { return m.idle; })) return true;
  }
  m.Command([&] {
    const auto live = m.live;
    for (const auto& [id, entry] : live) m.Take(id, /*end_thinking=*/false);
  });
  std::unique_lock lock(m.mutex);
  m.changed.wait(lock, [&] { return m.idle; });
  return false;
}

}  // namespace fulgur
