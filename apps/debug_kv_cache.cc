// fulgur debug kv-cache: how far predictions with a narrow KV cache are from those with a float32 one.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "engine/loaded_model.h"
#include "train/kv_comparison.h"

namespace fulgur {

void AddDebugKvCache(CLI::App& debug) {
  struct Options {
    std::string model;
    int64_t count = 20;
    uint64_t seed = 1;
    int threads = 0;
    bool json = false;
  };
  const auto o = std::make_shared<Options>();
  CLI::App* command = debug.add_subcommand(
      "kv-cache", "Perplexity and divergence with each format of the KV cache, on worked solutions");
  command->add_option("model", o->model, "Folder of a model")->required();
  command->add_option("--count", o->count, "Solutions of held-out problems, of each task")
      ->check(WholeNumber(1, 1000000))
      ->capture_default_str();
  command->add_option("--seed", o->seed, "Of the problems")->check(Seed())->capture_default_str();
  command->add_option("--threads", o->threads, "0: one per processor")->check(Threads());
  command->add_flag("--json", o->json, "Print one JSON object");
  command->callback([o] {
    ThreadPool pool(o->threads);
    LoadedModel loaded = LoadedModel::Load(o->model, pool);
    const ConversationEncoder encoder(loaded.tokenizer, loaded.chat_template());
    const std::vector<KvQuality> all = CompareKvFormats(*loaded.model, SolutionExamples(encoder, o->count, o->seed));
    if (o->json) {
      Json results = Json::array();
      for (const KvQuality& q : all) results.push_back(q.ToJson());
      fmt::print("{}\n", Json({{"model", o->model}, {"results", results}}).dump(2));
      return;
    }
    fmt::print("{}: {} predicted tokens\n\n{:<8} {:>12} {:>12} {:>14} {:>16}\n", o->model, all[0].tokens, "",
               "bytes/token", "perplexity", "KL (nats)", "same best token");
    for (const KvQuality& q : all) {
      fmt::print("{:<8} {:>12} {:>12.6f} {:>14.2e} {:>14.3f} %\n", KvFormatName(q.format), q.token_bytes,
                 q.perplexity(), q.divergence, 100 * q.agreement);
    }
  });
}

}  // namespace fulgur
