// fulgur data needles: long conversations in which one answer has to be found again.
#include "apps/data_needles.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "eval/needles.h"

namespace fulgur {
namespace {

struct Options {
  std::vector<int64_t> lengths{2000, 8000, 32000};
  int64_t count = 20, needles = 2;
  uint64_t seed = 1;
  std::string out;
};

void Run(const Options& options) {
  std::string lines;
  for (const int64_t length : options.lengths) {
    for (int64_t i = 0; i < options.count; ++i) {
      Json task =
          MakeNeedleTask(length, static_cast<int>(options.needles), Mix(options.seed, static_cast<uint64_t>(i)));
      task["id"] = fmt::format("{}-{}-{}", length, options.needles, i + 1);
      lines += JsonLine(task);
    }
  }
  WriteFileAtomic(options.out, lines);
  Print(fmt::format("{} conversations in {}\n", options.count * static_cast<int64_t>(options.lengths.size()),
                    options.out));
}

}  // namespace

void AddDataNeedles(CLI::App& data) {
  auto options = std::make_shared<Options>();
  CLI::App* app = data.add_subcommand(
      "needles",
      "Make conversations of any length in which one answer has to be found again, for eval --benchmark mrcr");
  app->add_option("--lengths", options->lengths, "Their lengths in characters")
      ->delimiter(',')
      ->capture_default_str()
      ->check(WholeNumber(1, 100000000));
  app->add_option("--count", options->count, "Conversations of each length")
      ->capture_default_str()
      ->check(WholeNumber(1, 100000));
  app->add_option("--needles", options->needles, "How often the request comes")
      ->capture_default_str()
      ->check(WholeNumber(1, 8));
  app->add_option("--seed", options->seed, "Which conversations")->capture_default_str()->check(Seed());
  app->add_option("--out", options->out, "File of JSON lines")->required();
  SetAction(*app, [options] { Run(*options); });
}

}  // namespace fulgur
