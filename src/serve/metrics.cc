#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace fulgur {
namespace {

void WriteHead(std::string_view name, std::string_view type, std::string_view help, std::string* text) {
  *text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

}  // namespace

void WriteMetric(std::string_view name, std::string_view type, std::string_view help, double value, std::string* text) {
  WriteHead(name, type, help, text);
  *text += fmt::format("{} {}\n", name, value);
}

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::Add(double value) {
  const size_t i = static_cast<size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  const std::lock_guard lock(mutex_);
  ++counts_[i];
  sum_ += value;
}

void Histogram::Write(std::string_view name, std::string_view help, std::string* text) const {
  WriteHead(name, "histogram", help, text);
  const std::lock_guard lock(mutex_);
  int64_t total = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    total += counts_[i];
    const std::string bound = i < bounds_.size() ? fmt::format("{}", bounds_[i]) : "+Inf";
    *text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, bound, total);
  }
  *text += fmt::format("{0}_sum {1}\n{0}_count {2}\n", name, sum_, total);
}

void ServerMetrics::CountRequest(std::string_view path, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{std::string(path), status}];
}

void ServerMetrics::Write(std::string* text) const {
  WriteHead("fulgur_http_requests_total", "counter", "Answered HTTP requests.", text);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, count] : requests_) {
      *text +=
          fmt::format("fulgur_http_requests_total{{path=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
    }
  }
  first_token.Write("fulgur_time_to_first_token_seconds", "From the request to its first token.", text);
  between_tokens.Write("fulgur_time_per_output_token_seconds", "Mean time between the tokens of an output.", text);
  duration.Write("fulgur_request_seconds", "From a generation request to the end of its answer.", text);
  prompt_tokens.Write("fulgur_request_prompt_tokens", "Prompt tokens of a request.", text);
  output_tokens.Write("fulgur_request_output_tokens", "Output tokens of a request.", text);
}

}  // namespace fulgur
