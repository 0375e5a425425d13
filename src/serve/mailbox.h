// Events of a request on their way from the scheduler's thread to the connection's.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/generation.h"
#include "serve/answer.h"

namespace fulgur {

class Mailbox {
 public:
  struct Event {
    int64_t output = 0;
    std::string text;
    std::vector<OutputToken> tokens;  // if they are kept
    std::vector<OutputToken> prompt;  // its tokens, if they were asked for
    int64_t token_count = 0;
    std::optional<OutputEnd> end;
  };

  explicit Mailbox(bool keep_tokens) : keep_tokens_(keep_tokens) {}

  // output: the event's, among all of the request. What an output has waiting already is made longer, so a slow reader
  // costs no more memory than the answer has.
  void Put(int64_t output, const OutputEvent& event) {
    std::unique_lock lock(mutex_);
    Event* last = nullptr;
    for (auto it = events_.rbegin(); it != events_.rend() && last == nullptr; ++it) {
      if (it->output == output) last = &*it;
    }
    if (last == nullptr)
      last = &events_.emplace_back(Event{.output = output, .text = {}, .tokens = {}, .prompt = {}, .end = {}});
    last->text += event.text;
    last->token_count += static_cast<int64_t>(event.tokens.size());
    if (!event.tokens.empty()) Time(output, static_cast<int64_t>(event.tokens.size()));
    if (keep_tokens_) last->tokens.insert(last->tokens.end(), event.tokens.begin(), event.tokens.end());
    if (!event.prompt.empty()) last->prompt.assign(event.prompt.begin(), event.prompt.end());
    if (event.end != nullptr) {
      last->end = *event.end;
      last->end->prompt_state.reset();
      ended_ = true;
    }
    const bool wake = !gathering_ || ended_;
    lock.unlock();
    if (wake) arrived_.notify_one();
  }

  // Of everything that was put in so far, from when the mailbox was made on.
  AnswerTimings timings() {
    const std::lock_guard lock(mutex_);
    return timings_;
  }

  // All that is there; waits for the first of it until `until`. Before `gather` nothing but an output's end wakes the
  // reader, so that what comes until then is taken together.
  std::vector<Event> Take(std::chrono::steady_clock::time_point until,
                          std::chrono::steady_clock::time_point gather = {}) {
    std::unique_lock lock(mutex_);
    gathering_ = true;
    arrived_.wait_until(lock, std::min(gather, until), [this] { return ended_; });
    gathering_ = false;
    arrived_.wait_until(lock, until, [this] { return !events_.empty(); });
    ended_ = false;
    return std::exchange(events_, {});
  }

 private:
  using Clock = std::chrono::steady_clock;

  void Time(int64_t output, int64_t tokens) {
    const Clock::time_point now = Clock::now();
    if (begun_.empty()) {
      first_ = now;
      timings_.first_seconds = std::chrono::duration<double>(now - made_).count();
    }
    timings_.tokens += tokens;
    if (!begun_.insert(output).second) timings_.timed_tokens += tokens;
    timings_.output_seconds = std::chrono::duration<double>(now - first_).count();
  }

  bool keep_tokens_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Event> events_;
  const Clock::time_point made_ = Clock::now();
  Clock::time_point first_;  // when the first token came
  std::set<int64_t> begun_;  // outputs that have tokens
  AnswerTimings timings_;
  bool ended_ = false;      // an event of `events_` has an end
  bool gathering_ = false;  // the reader does not want to be woken for less
};

}  // namespace fulgur
