#include "eval/sample_verdicts.h"

#include <utility>

#include "base/error.h"

namespace fulgur {

SampleVerdicts::SampleVerdicts(const Benchmark& set, const std::vector<BenchmarkItem>& items,
                               std::filesystem::path folder)
    : set_(set), items_(items), path_(folder / "verdicts.jsonl.gz") {
  if (set_.judge_name().empty()) return;
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < items_.size(); ++i) places[items_[i].id] = i;
  kept_bytes_ = ReadGzipLines(path_, [&](const Json& line) {
    const std::string where = path_.string();
    const auto place = places.find(JsonGet<std::string>(line, "item", where));
    if (place == places.end()) throw Error("{}: there is no item {}", where, line["item"].dump());
    if (JsonGet<std::string>(line, "judge", where) == set_.judge_name()) {
      kept_[{place->second, JsonGet<int64_t>(line, "sample", where)}] = line["verdict"];
    }
    return true;
  });
}

bool SampleVerdicts::Find(size_t item, int64_t sample, BenchmarkAnswer* answer) const {
  if (set_.judge_name().empty()) return true;
  const auto kept = kept_.find({item, sample});
  if (kept == kept_.end()) return false;
  answer->verdict = kept->second;
  return true;
}

bool SampleVerdicts::NeedsJudge(size_t item, int64_t sample, BenchmarkAnswer* answer) {
  if (Find(item, sample, answer)) return false;
  if (!judge_ && lacks_.empty()) {
    try {
      judge_ = set_.MakeJudge();
      threads_ = std::make_unique<BackgroundThreads>(static_cast<int>(judge_->capacity()));
    } catch (const Error& e) {
      lacks_ = e.what();
    }
  }
  answer->verdict_lacks = lacks_;
  return judge_ != nullptr;
}

void SampleVerdicts::Judge(size_t item, BenchmarkAnswer answer, std::function<void(BenchmarkAnswer)> done) {
  threads_->Run([this, item, answer = std::move(answer), done = std::move(done)]() mutable {
    try {
      SampleJudge::Outcome outcome = judge_->Judge(items_[item], answer);
      answer.verdict = std::move(outcome.verdict);
      answer.verdict_lacks = std::move(outcome.lacks);
    } catch (const std::exception& e) {
      answer.verdict_lacks = e.what();
    }
    done(std::move(answer));
  });
}

void SampleVerdicts::Keep(size_t item, int64_t sample, const BenchmarkAnswer& answer) {
  if (answer.verdict.is_null() || kept_.contains({item, sample})) return;
  if (!writer_) writer_.emplace(path_, kept_bytes_);
  writer_->Add(
      {{"item", items_[item].id}, {"sample", sample}, {"judge", set_.judge_name()}, {"verdict", answer.verdict}});
  kept_.emplace(std::pair(item, sample), answer.verdict);
}

}  // namespace fulgur
