#include "train/data_check.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/progress.h"

namespace fulgur {
namespace {

const std::set<std::string> kRecordFields{"messages", "tools", "functions", "task", "difficulty"};
const std::set<std::string> kMessageFields{"role",   "content",           "name",      "tool_calls", "tool_call_id",
                                           "weight", "reasoning_content", "reasoning", "thinking",   "function_call",
                                           "refusal"};

void AddUnread(const Json& object, const std::set<std::string>& known, const char* before,
               std::set<std::string>* unread) {
  for (const auto& [key, value] : object.items()) {
    if (!value.is_null() && !known.contains(key)) unread->insert(before + key);
  }
}

SourceCheck CheckSource(const Mixture& mixture, size_t s, const RecordEncoder& encoder, ThreadPool& pool) {
  const Source& source = mixture.source(s);
  const SourceConfig& config = mixture.configs()[s];
  SourceCheck check;
  check.name = config.name;
  check.lengths.resize(source.size());
  std::mutex mutex;
  struct Wrong {
    uint64_t place, index;
    std::string what;
  };
  std::optional<Wrong> first;
  // Only where it takes long enough for someone to wonder.
  std::unique_ptr<ProgressBar> bar;
  constexpr int64_t kPart = 1000;  // records between two looks at the clock
  const auto n = static_cast<int64_t>(source.size());
  if (n > 20 * kPart) bar = std::make_unique<ProgressBar>("checking " + config.name, n, "records");
  for (int64_t begin = 0; begin < n; begin += kPart) {
    pool.ParallelFor(std::min(kPart, n - begin), [&](int64_t i, int) {
      const auto index = static_cast<uint64_t>(begin + i);
      std::set<std::string> unread;
      try {
        const Json record = source.Record(index);
        check.lengths[index] = static_cast<int64_t>(encoder.EncodeWhole(record, config).tokens.size());
        AddUnread(record, kRecordFields, "", &unread);
        for (const Json& message : record["messages"]) AddUnread(message, kMessageFields, "messages[].", &unread);
      } catch (const Error& e) {
        const std::lock_guard lock(mutex);
        const uint64_t place = source.Place(index);
        if (!first || place < first->place) first = {place, index, e.what()};
      }
      if (unread.empty()) return;
      const std::lock_guard lock(mutex);
      check.unread.merge(unread);
    });
    if (bar) bar->Update(std::min(begin + kPart, n));
  }
  if (first) throw Error("source {}, {}: {}", config.name, source.Where(first->index), first->what);
  std::sort(check.lengths.begin(), check.lengths.end());
  return check;
}

}  // namespace

uint64_t SourceCheck::TooLong(int64_t max_length) const {
  return static_cast<uint64_t>(lengths.end() - std::upper_bound(lengths.begin(), lengths.end(), max_length));
}

std::vector<std::string> SourceCheck::Notes(int64_t max_length) const {
  std::vector<std::string> notes;
  if (const uint64_t too_long = TooLong(max_length); too_long > 0) {
    const size_t n = lengths.size();
    notes.push_back(fmt::format(
        "source {}: {} of {} records are longer than batch.max_length = {} tokens and are left out; {} "
        "would take 99 % of them, {} all",
        name, too_long, n, max_length, std::max(lengths[(n * 99 + 99) / 100 - 1], max_length), lengths.back()));
  }
  if (!unread.empty()) {
    notes.push_back(
        fmt::format("source {}: fields that Fulgur does not know, and which change nothing unless the chat "
                    "template asks for them: {}",
                    name, fmt::join(unread, ", ")));
  }
  return notes;
}

std::vector<SourceCheck> CheckRecords(const Mixture& mixture, const RecordEncoder& encoder, ThreadPool& pool) {
  std::vector<SourceCheck> checks;
  for (size_t s = 0; s < mixture.configs().size(); ++s) {
    const SourceConfig& config = mixture.configs()[s];
    const bool chats = config.type == SourceConfig::Type::kChat || config.type == SourceConfig::Type::kInstances;
    if (chats && config.weight > 0) checks.push_back(CheckSource(mixture, s, encoder, pool));
  }
  return checks;
}

}  // namespace fulgur
