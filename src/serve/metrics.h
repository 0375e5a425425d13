// Counters and histograms for /metrics, in the text form that Prometheus reads.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulgur {

// Numbers by fixed upper bounds. Thread-safe.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void Add(double value);
  void Write(std::string_view name, std::string_view help, std::string* text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> bounds_;
  std::vector<int64_t> counts_;  // by bound, the last: beyond all
  double sum_ = 0;
};

// The server's own figures; those of the scheduler come from its stats.
class ServerMetrics {
 public:
  void CountRequest(std::string_view path, int status);
  Histogram first_token{{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}};
  Histogram between_tokens{{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}};
  Histogram duration{{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}};
  Histogram prompt_tokens{{1, 8, 32, 128, 512, 2048, 8192, 32768, 131072, 524288, 1048576}};
  Histogram output_tokens{{1, 8, 32, 128, 512, 2048, 8192, 32768, 131072}};

  void Write(std::string* text) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by path and status
};

// "# HELP", "# TYPE" and one line. type: "counter" or "gauge".
void WriteMetric(std::string_view name, std::string_view type, std::string_view help, double value, std::string* text);

}  // namespace fulgur
