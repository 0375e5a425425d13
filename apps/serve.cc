// fulgur serve: the HTTP server.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "apps/commands.h"
#include "apps/example_problems.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "model/model_folder.h"
#include "serve/server.h"

namespace fulgur {
namespace {

struct ServeOptions {
  std::string model;
  ServerOptions server;
  SamplingOptions sampling;
  std::vector<std::string> keys, key_files, admin_keys, admin_key_files;
  std::string reasoning = "both";
  bool drop_thinking = false;
  std::optional<int64_t> thinking_cap;
  uint64_t cache_memory = uint64_t{1} << 30;
  int64_t max_batch = 256, body_mb = 32;
  double ping_seconds = 5, drain_seconds = 30, head_seconds = 15, body_seconds = 120, idle_seconds = 60,
         write_seconds = 30;
};

// SIGTERM and SIGINT, taken by a thread of their own: the first drains the server, the second ends the process.
class SignalWatch {
 public:
  // Before any other thread is started: they inherit that the signals are not for them.
  SignalWatch() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  void Start(Server& server) {
    thread_ = std::thread([this, &server] {
      bool first = true;
      while (!done_) {
        const timespec wait{0, 100'000'000};
        const int signal = sigtimedwait(&signals_, nullptr, &wait);
        if (signal <= 0) continue;
        if (!first) std::_Exit(128 + signal);
        first = false;
        server.Drain();
      }
    });
  }
  ~SignalWatch() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  sigset_t signals_{};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

void RunServe(ServeOptions& o) {
  ServerOptions& server = o.server;
  for (const std::string& key : o.keys) server.keys.Add(key);
  for (const std::string& file : o.key_files) server.keys.AddFile(file);
  for (const std::string& key : o.admin_keys) server.admin_keys.Add(key);
  for (const std::string& file : o.admin_key_files) server.admin_keys.AddFile(file);
  if (server.keys.empty() && !server.admin_keys.empty()) {
    throw Error("there is an admin key but no other: give --api-key or --api-key-file too");
  }
  server.reasoning = o.reasoning == "both"                ? ReasoningField::kBoth
                     : o.reasoning == "reasoning"         ? ReasoningField::kReasoning
                     : o.reasoning == "reasoning_content" ? ReasoningField::kReasoningContent
                                                          : ReasoningField::kInline;
  server.keep_thinking = !o.drop_thinking;
  server.thinking_cap = o.thinking_cap;
  server.model_folder = o.model;
  if (server.model_names.empty()) {
    server.model_names.push_back(ModelName(o.model));
  }
  server.version = FULGUR_VERSION;
  server.http.limits.body = static_cast<size_t>(o.body_mb) << 20;
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<int64_t>(1000 * seconds));
  };
  server.http.head_timeout = milliseconds(o.head_seconds);
  server.http.body_timeout = milliseconds(o.body_seconds);
  server.http.idle_timeout = milliseconds(o.idle_seconds);
  server.http.write_timeout = milliseconds(o.write_seconds);
  server.ping_interval = milliseconds(o.ping_seconds);
  server.drain_timeout = milliseconds(o.drain_seconds);

  SignalWatch signals;
  ExecContext exec(o.sampling.threads);
  LoadedModel loaded = LoadedModel::Load(o.model, exec, o.sampling.kv_cache);
  loaded.chat_template();  // an error now rather than at the first request
  server.scheduler.cache = SplitCacheMemory(loaded.model->config(), loaded.model->kv_format(), o.cache_memory,
                                            std::move(server.scheduler.cache));
  server.scheduler.engine = o.sampling.ForEngine(o.max_batch, loaded.model->config());
  server.sampling = o.sampling.Sampling(loaded.defaults, 0);
  server.fixed_seed = o.sampling.seed;
  const StoppingRules stopping = o.sampling.Stopping(loaded.defaults);
  server.stop = stopping.stop_strings;
  server.early_truncation = stopping.early_truncation;
  server.thinking_budget = stopping.thinking_budget;
  server.max_tokens = stopping.max_tokens;

  for (ExampleProblem& problem : ExampleProblems(o.model, /*per_task=*/3)) {
    server.examples.push_back({std::move(problem.task), std::move(problem.about), std::move(problem.prompt)});
  }

  Server running(loaded, server);
  Print(fmt::format("fulgur: {} at {} (Ctrl-C ends)\n", server.model_names.front(), running.url()));
  signals.Start(running);
  if (!running.Run()) Print("fulgur: some answers were cut off\n");
}

}  // namespace

void AddServe(CLI::App& parent) {
  auto options = std::make_shared<ServeOptions>();
  ServeOptions& o = *options;
  ServerOptions& s = o.server;
  CLI::App* app = parent.add_subcommand("serve", "Serve a model to OpenAI and Anthropic clients over HTTP");
  AddModelOption(*app, o.model);
  const auto add = [&](const char* group, const char* name, auto& value, const char* text) {
    return app->add_option(name, value, text)->group(group);
  };

  const char* group = "Network";
  add(group, "--host", s.http.host, "Address to listen on")->capture_default_str();
  add(group, "--port", s.http.port, "0: any that is free")->check(WholeNumber(0, 65535))->capture_default_str();
  add(group, "--tls-cert", s.http.tls_certificate, "Certificate (PEM), for HTTPS")->check(CLI::ExistingFile);
  add(group, "--tls-key", s.http.tls_key, "Its private key (PEM)")->check(CLI::ExistingFile);
  add(group, "--max-connections", s.http.max_connections, "More are answered with 503")
      ->check(WholeNumber(1, 100000))
      ->capture_default_str();
  add(group, "--max-body-mb", o.body_mb, "Longest request, in MiB")
      ->check(WholeNumber(1, 65536))
      ->capture_default_str();

  add(group, "--head-seconds", o.head_seconds, "The head of a request has to come within")
      ->check(Number(0.01, 3600))
      ->capture_default_str();
  add(group, "--body-seconds", o.body_seconds, "Its body has to come within")
      ->check(Number(0.01, 86400))
      ->capture_default_str();
  add(group, "--idle-seconds", o.idle_seconds, "Connections without a request are closed after")
      ->check(Number(0.01, 86400))
      ->capture_default_str();
  add(group, "--write-seconds", o.write_seconds, "Clients that take nothing for so long are given up")
      ->check(Number(0.01, 86400))
      ->capture_default_str();

  group = "Access";
  add(group, "--api-key", o.keys, "A key that clients may use (may be repeated; or the variable FULGUR_API_KEY)")
      ->allow_extra_args(false)
      ->envname("FULGUR_API_KEY");
  add(group, "--api-key-file", o.key_files, "Keys, one a line")->allow_extra_args(false)->check(CLI::ExistingFile);
  add(group, "--admin-key", o.admin_keys, "A key that may also use /admin")->allow_extra_args(false);
  add(group, "--admin-key-file", o.admin_key_files, "Such keys, one a line")
      ->allow_extra_args(false)
      ->check(CLI::ExistingFile);
  app->add_flag("--no-key-needed", s.no_key_needed, "Let everyone in, from other machines too")->group(group);
  add(group, "--cors-origin", s.cors_origins, "Web pages of this origin may use the server; *: all pages")
      ->allow_extra_args(false);
  add(group, "--allowed-host", s.allowed_hosts, "A name, beside localhost, by which a server without keys is reached")
      ->allow_extra_args(false);

  group = "Model and APIs";
  add(group, "--served-model-name,--name", s.model_names, "Name for clients (may be repeated; default: the folder's)")
      ->allow_extra_args(false);
  app->add_flag("--any-model", s.any_model, "Serve requests for models of any name")->group(group);
  add(group, "--reasoning-field", o.reasoning, "Where chat completions have the thinking; inline: in the content")
      ->check(CLI::IsMember({"both", "reasoning_content", "reasoning", "inline"}))
      ->capture_default_str();
  app->add_flag("--drop-thinking", o.drop_thinking, "Leave thinking that clients hand back out of the prompt")
      ->group(group);
  add(group, "--response-store", s.response_store_bytes,
      "Memory for recent responses, as in 64MB, for previous_response_id and item_reference; 0: none are kept")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  add(group, "--thinking-cap", o.thinking_cap, "Most thinking tokens that a request may ask for; 40k and 80k as in M1")
      ->transform(ThinkingPresets())
      ->check(WholeNumber(0));

  group = "Scheduling";
  add(group, "--max-batch", o.max_batch, "Sequences that are written at a time")
      ->check(WholeNumber(1, 65536))
      ->capture_default_str();
  add(group, "--max-queued", s.scheduler.max_queued, "Requests that may wait; more get 429. 0: no limit")
      ->check(WholeNumber(0))
      ->capture_default_str();
  add(group, "--max-queued-tokens", s.scheduler.max_queued_tokens, "Prompt tokens that may wait; 0: no limit")
      ->check(WholeNumber(0))
      ->capture_default_str();
  add(group, "--ping-seconds", o.ping_seconds, "A sign of life in streams that have nothing to say for so long")
      ->check(Number(0.01, 3600))
      ->capture_default_str();
  add(group, "--drain-seconds", o.drain_seconds, "After SIGTERM, running answers may take so long")
      ->check(Number(0, 86400))
      ->capture_default_str();

  group = "Prefix cache";
  add(group, "--cache-memory", o.cache_memory,
      "Memory for states of past prompts, as in 16GB; 0: no cache (default: 1 GiB)")
      ->transform(CLI::AsSizeValue(false));
  add(group, "--cache-spill", s.scheduler.cache.spill_folder, "Folder for what memory has no room for");
  add(group, "--cache-spill-size", s.scheduler.cache.spill_bytes, "Most bytes of files in it")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  add(group, "--sessions", s.scheduler.session_folder, "Folder for saved sessions");

  group = "Log";
  app->add_flag("--log-text", s.log_text, "Also log prompts and answers")->group(group);

  o.sampling.AddTo(*app);
  SetAction(*app, [options] { RunServe(*options); });
}

}  // namespace fulgur
