// The verdicts of a run whose set has a judge: verdicts.jsonl.gz in its folder, one a line, in the order in which they
// came. Kept, so that a run that goes on, is scored again or compared has the same verdicts.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/background_threads.h"
#include "eval/benchmark.h"
#include "eval/gzip_lines.h"

namespace fulgur {

class SampleVerdicts {
 public:
  // Reads what is kept. Error for a file that is not of this run.
  SampleVerdicts(const Benchmark& set, const std::vector<BenchmarkItem>& items, std::filesystem::path folder);

  // Gives the answer its verdict. False if it lacks one.
  bool Find(size_t item, int64_t sample, BenchmarkAnswer* answer) const;
  // Gives the answer its verdict if one is kept, or if there is no judge the reason. True if it is to be judged first.
  bool NeedsJudge(size_t item, int64_t sample, BenchmarkAnswer* answer);
  // Answers that are worth being judged at a time.
  int64_t capacity() const { return judge_ ? 2 * judge_->capacity() : 0; }
  // Judges an answer for which NeedsJudge was true. Returns at once; `done` gets it with its verdict, in another
  // thread.
  void Judge(size_t item, BenchmarkAnswer answer, std::function<void(BenchmarkAnswer)> done);
  // Writes an answer's verdict down, if it has one that is not kept yet.
  void Keep(size_t item, int64_t sample, const BenchmarkAnswer& answer);

 private:
  const Benchmark& set_;
  const std::vector<BenchmarkItem>& items_;
  std::filesystem::path path_;
  int64_t kept_bytes_ = 0;
  std::map<std::pair<size_t, int64_t>, Json> kept_;
  std::unique_ptr<SampleJudge> judge_;
  std::string lacks_;  // why there is no judge
  std::optional<GzipLinesWriter> writer_;
  std::unique_ptr<BackgroundThreads> threads_;  // last: ends first
};

}  // namespace fulgur
