#include "rl/ratio_file.h"

#include <cmath>
#include <string>

#include "eval/gzip_lines.h"

namespace fulgur {
namespace {

// A value a token of the response.
Json LogRatios(const PolicySample& sample, const std::vector<float>& logprobs) {
  const Trajectory& t = sample.response->trajectory;
  Json ratios = Json::array();
  size_t k = 0;  // among the sampled tokens
  for (size_t i = 0; i < t.ids.size(); ++i) {
    if (t.sampled[i] == 0 || logprobs.empty()) {
      ratios.push_back(nullptr);
      continue;
    }
    const double ratio = static_cast<double>(logprobs[k]) - static_cast<double>(sample.old_logprobs[k]);
    ratios.push_back(std::round(ratio * 1e4) / 1e4);
    ++k;
  }
  return ratios;
}

}  // namespace

void WriteRatios(const std::filesystem::path& path, int64_t batch, const std::vector<PolicySample>& samples,
                 const std::vector<std::vector<float>>& logprobs) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  if (samples.empty()) return;
  GzipLinesWriter file(path);
  Json line;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Group& group = *samples[i].group;
    if (i == 0 || samples[i - 1].group != &group) {
      line = {{"batch", batch}, {"index", group.index}, {"log_ratios", Json::object()}};
    }
    const auto number = static_cast<size_t>(samples[i].response - group.responses.data());
    line["log_ratios"][std::to_string(number)] = LogRatios(samples[i], logprobs[i]);
    if (i + 1 == samples.size() || samples[i + 1].group != &group) file.Add(line);
  }
}

}  // namespace fulgur
