// What goes over the socket between Fulgur and a launcher: a length, then fields in a fixed order. Both sides are one
// build, so there are no versions.
#pragma once

#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/run.h"

namespace fulgur {

inline constexpr int kLauncherSocket = 3;  // the launcher's descriptor

// What a launcher says first: whether it could set up what every run is made from.
struct LauncherHello {
  std::string failed_step;  // empty: ready
  int error = 0;            // errno of that step
};

// Fields one after another.
class Packer {
 public:
  // sent: the shared bytes that the other side has; those that it gets are added.
  explicit Packer(std::set<int64_t>* sent = nullptr) : sent_(sent) {}
  void Add(int64_t value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Add(double value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Add(std::string_view text) {
    Add(static_cast<int64_t>(text.size()));
    bytes_ += text;
  }
  void Add(const std::vector<std::string>& texts) {
    Add(static_cast<int64_t>(texts.size()));
    for (const std::string& text : texts) Add(text);
  }
  void Add(const std::vector<SandboxFile>& files) {
    Add(static_cast<int64_t>(files.size()));
    for (const SandboxFile& file : files) {
      Add(file.to);
      Add(file.content);
      Add(static_cast<int64_t>(file.executable));
      const int64_t id = file.shared == nullptr ? 0 : file.shared->id;
      Add(id);
      if (id != 0) Add(sent_ != nullptr && sent_->insert(id).second ? file.shared->bytes : std::string_view());
    }
  }
  std::string& bytes() { return bytes_; }

 private:
  std::set<int64_t>* sent_;
  std::string bytes_;
};

// Reads them again. What is not there reads as 0 or empty and makes ok() false.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  int64_t Integer() { return Number<int64_t>(); }
  double Real() { return Number<double>(); }
  std::string Text() {
    const int64_t size = Integer();
    if (!ok_ || size < 0 || static_cast<uint64_t>(size) > bytes_.size()) {
      ok_ = false;
      return {};
    }
    std::string text(bytes_.substr(0, static_cast<size_t>(size)));
    bytes_.remove_prefix(static_cast<size_t>(size));
    return text;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    for (int64_t n = Integer(); ok_ && n > 0; --n) texts.push_back(Text());
    return texts;
  }
  std::vector<SandboxFile> Files() {
    std::vector<SandboxFile> files;
    for (int64_t n = Integer(); ok_ && n > 0; --n) {
      SandboxFile file;
      file.to = Text();
      file.content = Text();
      file.executable = Integer() != 0;
      if (const int64_t id = Integer(); id != 0) file.shared = std::make_shared<SharedBytes>(SharedBytes{id, Text()});
      files.push_back(std::move(file));
    }
    return files;
  }

 private:
  template <typename T>
  T Number() {
    T value{};
    if (bytes_.size() < sizeof value) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

inline std::string Pack(const LauncherHello& hello) {
  Packer p;
  p.Add(hello.failed_step);
  p.Add(static_cast<int64_t>(hello.error));
  return std::move(p.bytes());
}

inline bool Unpack(std::string_view bytes, LauncherHello* hello) {
  Unpacker u(bytes);
  hello->failed_step = u.Text();
  hello->error = static_cast<int>(u.Integer());
  return u.ok();
}

// Descriptors go beside the message; here it is only said which there are. sent: as of Packer.
inline std::string Pack(const SandboxRun& run, std::set<int64_t>* sent) {
  Packer p(sent);
  p.Add(run.command);
  p.Add(run.environment);
  p.Add(run.files);
  p.Add(run.input);
  p.Add(static_cast<int64_t>(run.profile));
  const SandboxLimits& l = run.limits;
  p.Add(l.cpu_seconds);
  p.Add(l.wall_seconds);
  for (const int64_t n : {l.memory_bytes, l.processes, l.threads, l.output_bytes, l.tmp_bytes, l.tmp_files}) p.Add(n);
  p.Add(run.collect);
  p.Add(static_cast<int64_t>(run.input_fd >= 0));
  p.Add(static_cast<int64_t>(run.output_fd >= 0));
  return std::move(p.bytes());
}

// fds: those that came with the message, in order.
inline bool Unpack(std::string_view bytes, const std::vector<int>& fds, SandboxRun* run) {
  Unpacker u(bytes);
  run->command = u.Texts();
  run->environment = u.Texts();
  run->files = u.Files();
  run->input = u.Text();
  run->profile = static_cast<SandboxProfile>(u.Integer());
  SandboxLimits& l = run->limits;
  l.cpu_seconds = u.Real();
  l.wall_seconds = u.Real();
  for (int64_t* n : {&l.memory_bytes, &l.processes, &l.threads, &l.output_bytes, &l.tmp_bytes, &l.tmp_files}) {
    *n = u.Integer();
  }
  run->collect = u.Texts();
  size_t next = 0;
  for (int* fd : {&run->input_fd, &run->output_fd}) {
    if (u.Integer() == 0) continue;
    if (next == fds.size()) return false;
    *fd = fds[next++];
  }
  return u.ok() && next == fds.size();
}

inline std::string Pack(const SandboxOutcome& outcome) {
  Packer p;
  p.Add(static_cast<int64_t>(outcome.end));
  p.Add(static_cast<int64_t>(outcome.exit_code));
  p.Add(static_cast<int64_t>(outcome.signal));
  p.Add(outcome.out);
  p.Add(outcome.err);
  p.Add(outcome.cpu_seconds);
  p.Add(outcome.wall_seconds);
  p.Add(outcome.peak_memory);
  p.Add(outcome.collected);
  p.Add(outcome.problem);
  p.Add(static_cast<int64_t>(outcome.not_found));
  return std::move(p.bytes());
}

inline bool Unpack(std::string_view bytes, SandboxOutcome* outcome) {
  Unpacker u(bytes);
  outcome->end = static_cast<RunEnd>(u.Integer());
  outcome->exit_code = static_cast<int>(u.Integer());
  outcome->signal = static_cast<int>(u.Integer());
  outcome->out = u.Text();
  outcome->err = u.Text();
  outcome->cpu_seconds = u.Real();
  outcome->wall_seconds = u.Real();
  outcome->peak_memory = u.Integer();
  outcome->collected = u.Files();
  outcome->problem = u.Text();
  outcome->not_found = u.Integer() != 0;
  return u.ok();
}

}  // namespace fulgur
