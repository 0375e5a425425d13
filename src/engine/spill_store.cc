#include "engine/spill_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/rng.h"

namespace fulgur {
namespace {

constexpr size_t kNameLength = 16;

// The name of a state whose file this is (or the temporary file of one); empty: it is not ours.
std::string StateName(const std::string& file) {
  if (file.size() <= kNameLength || file[kNameLength] != '.') return "";
  const std::string name = file.substr(0, kNameLength);
  if (name.find_first_not_of("0123456789abcdef") != std::string::npos) return "";
  const std::string suffix = file.substr(kNameLength);
  return suffix.starts_with(kStateSuffix) || suffix.starts_with(kEntrySuffix) ? name : "";
}

int64_t CommonLength(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

}  // namespace

SpillStore::SpillStore(const ModelConfig& config, std::filesystem::path folder, size_t max_bytes, size_t queue_bytes,
                       std::string model_key, std::function<void()> wake)
    : config_(config),
      folder_(std::move(folder)),
      max_bytes_(max_bytes),
      queue_bytes_(queue_bytes),
      has_lightning_(std::count(config.attn_type_list.begin(), config.attn_type_list.end(), AttentionKind::kLightning) >
                     0),
      model_key_(std::move(model_key)),
      wake_(std::move(wake)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const std::string lock = (folder_ / "lock").string();
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) throw Error("cannot use {} as the folder for spilled states", folder_.string());
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw Error("{} is used by another process; every server needs a spill folder of its own", folder_.string());
  }
  Scan();
  thread_ = std::thread([this] { Work(); });
}

SpillStore::~SpillStore() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  ::close(lock_);
}

void SpillStore::Scan() {
  std::set<std::string> names;
  std::vector<std::filesystem::path> temporary;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(folder_, ignored)) {
    const std::string name = StateName(file.path().filename().string());
    if (name.empty()) continue;
    if (file.path().filename().string().find(".tmp") != std::string::npos) {
      temporary.push_back(file.path());
    } else {
      names.insert(name);
    }
  }
  for (const auto& path : temporary) std::filesystem::remove(path, ignored);
  std::vector<std::pair<std::filesystem::file_time_type, std::string>> by_age;
  for (const std::string& name : names) {
    const std::filesystem::path base = folder_ / name;
    if (!std::filesystem::exists(base.string() + kEntrySuffix)) {  // killed before the entry was written
      RemoveStateFiles(base);
      continue;
    }
    try {
      Indexed found{.entry = ReadStateEntry(base)};
      if (found.entry.model_key != model_key_) {
        RemoveStateFiles(base);
        continue;
      }
      by_age.emplace_back(std::filesystem::last_write_time(base.string() + kEntrySuffix), name);
      bytes_ += found.entry.bytes;
      index_.emplace(name, std::move(found));
    } catch (const std::exception&) {
      ++damaged_;
      RemoveStateFiles(base);
    }
  }
  std::sort(by_age.begin(), by_age.end());
  for (const auto& [time, name] : by_age) index_.at(name).used = ++clock_;
}

std::string SpillStore::Name(std::span<const int32_t> tokens) const {
  uint64_t hash = 0;
  for (const char c : model_key_) hash = Mix(hash, static_cast<uint64_t>(c));
  for (const int32_t id : tokens) hash = Mix(hash, static_cast<uint64_t>(id));
  return fmt::format("{:016x}", hash);
}

void SpillStore::Push(Job job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
}

bool SpillStore::Write(std::vector<int32_t> tokens, SequenceState state, size_t bytes, bool even_if_full) {
  tokens.resize(static_cast<size_t>(state.length()));
  const std::string name = Name(tokens);
  if (index_.count(name)) return true;
  {
    std::lock_guard lock(mutex_);
    for (const Job& job : jobs_) {
      if (job.kind == Job::Kind::kWrite && job.name == name) return true;
    }
    if (!even_if_full && waiting_bytes_ > 0 && waiting_bytes_ + bytes > queue_bytes_) {
      ++dropped_;
      return false;
    }
    waiting_bytes_ += bytes;
  }
  Push({.kind = Job::Kind::kWrite,
        .name = name,
        .tokens = std::move(tokens),
        .state = std::move(state),
        .queued_bytes = bytes,
        .model_key = model_key_,
        .entry = {}});
  return true;
}

SpillStore::Match SpillStore::Find(std::span<const int32_t> prompt) const {
  Match best;
  for (const auto& [name, indexed] : index_) {
    const StateEntry& e = indexed.entry;
    const std::span<const int32_t> taken = std::span(e.tokens).first(static_cast<size_t>(e.length));
    const int64_t common = std::min(CommonLength(taken, prompt), static_cast<int64_t>(prompt.size()) - 1);
    if (common > best.length && (!has_lightning_ || common >= e.chunk_start)) best = {name, common};
  }
  return best;
}

void SpillStore::Read(const std::string& name) {
  Indexed& indexed = index_.at(name);
  indexed.used = ++clock_;
  if (std::exchange(indexed.reading, true)) return;
  Push({.kind = Job::Kind::kRead,
        .name = name,
        .tokens = {},
        .state = {},
        .model_key = model_key_,
        .entry = indexed.entry});
}

void SpillStore::Drop(std::map<std::string, Indexed>::iterator it) {
  bytes_ -= it->second.entry.bytes;
  Push({.kind = Job::Kind::kRemove, .name = it->first, .tokens = {}, .state = {}, .model_key = {}, .entry = {}});
  index_.erase(it);
}

std::vector<SpillStore::Restored> SpillStore::Collect() {
  std::vector<Job> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  std::vector<Restored> restored;
  for (Job& job : done) {
    const auto it = index_.find(job.name);
    const bool current = job.model_key == model_key_;
    if (job.kind == Job::Kind::kWrite) {
      if (job.failed) {
        ++dropped_;
      } else if (!current) {
        Push({.kind = Job::Kind::kRemove, .name = job.name, .tokens = {}, .state = {}, .model_key = {}, .entry = {}});
      } else if (it == index_.end()) {
        ++written_;
        bytes_ += job.entry.bytes;
        index_[job.name] = {.entry = std::move(job.entry), .used = ++clock_, .reading = false};
      }
    } else if (it != index_.end() && current) {
      it->second.reading = false;
      if (job.failed) {
        ++damaged_;
        Drop(it);
      } else {
        ++restored_;
        restored.push_back({it->second.entry.tokens, std::move(*job.state)});
      }
    }
  }
  while (bytes_ > max_bytes_ && !index_.empty()) {
    Drop(std::min_element(index_.begin(), index_.end(),
                          [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  return restored;
}

void SpillStore::Clear(std::string model_key) {
  {
    std::lock_guard lock(mutex_);
    std::erase_if(jobs_, [&](const Job& job) {
      if (job.kind == Job::Kind::kWrite) waiting_bytes_ -= job.queued_bytes;
      return job.kind != Job::Kind::kRemove;
    });
  }
  while (!index_.empty()) Drop(index_.begin());
  model_key_ = std::move(model_key);
}

void SpillStore::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return jobs_.empty() && !busy_; });
}

void SpillStore::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    const std::filesystem::path base = folder_ / job.name;
    try {
      switch (job.kind) {
        case Job::Kind::kWrite:
          job.entry = WriteStateFiles(base, job.tokens, *job.state, job.model_key, config_);
          job.state.reset();
          break;
        case Job::Kind::kRead:
          job.state = ReadState(base, job.entry, config_);
          break;
        case Job::Kind::kRemove:
          RemoveStateFiles(base);
          break;
      }
    } catch (const std::exception&) {
      job.failed = true;
      job.state.reset();
      if (job.kind == Job::Kind::kWrite) RemoveStateFiles(base);
    }
    const bool read = job.kind == Job::Kind::kRead;
    lock.lock();
    waiting_bytes_ -= job.queued_bytes;
    busy_ = false;
    if (job.kind != Job::Kind::kRemove) done_.push_back(std::move(job));
    lock.unlock();
    changed_.notify_all();
    if (read && wake_) wake_();
    lock.lock();
  }
}

}  // namespace fulgur
