// The server: the APIs over HTTP, in front of the scheduler. docs/server.md describes it from outside.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/scheduler.h"
#include "serve/api_keys.h"
#include "serve/format.h"
#include "serve/http_server.h"

namespace fulgur {

// A question that suits the model, for the web page and other clients.
struct ServerExample {
  std::string task;   // what kind of question it is, in words
  std::string about;  // one line about the kind
  std::string prompt;
};

struct ServerOptions {
  HttpServerOptions http;
  SchedulerOptions scheduler;
  std::filesystem::path model_folder;      // what /admin/reload loads if it is not told
  std::vector<std::string> model_names;    // the first is the one answers carry; at least one
  bool any_model = false;                  // other names are taken too
  ApiKeys keys;                            // none: no key is needed
  ApiKeys admin_keys;                      // of /admin; a key of these is one of `keys` too
  bool no_key_needed = false;              // without keys, listen beyond this machine nevertheless
  std::vector<std::string> cors_origins;   // web pages that may use the server; "*": all
  std::vector<std::string> allowed_hosts;  // names that a keyless server on loopback may be called by, beside localhost
  ReasoningField reasoning = ReasoningField::kBoth;
  bool keep_thinking = true;
  size_t response_store_bytes = 0;  // for responses that later requests go on from; 0: none are kept
  std::optional<int64_t> thinking_budget, thinking_cap;
  SamplingParams sampling;  // for what requests do not say
  EarlyTruncation early_truncation;
  std::optional<uint64_t> fixed_seed;  // of requests without one; else each has a seed of its own
  std::vector<std::string> stop;       // ends every answer, beside what the request says
  int64_t max_tokens = 0;              // of an answer whose request does not say; 0: to the end of the context
  std::chrono::milliseconds ping_interval{5000};
  std::chrono::milliseconds drain_timeout{30000};
  bool log_text = false;                // prompts and answers in the log
  std::vector<ServerExample> examples;  // GET /examples
  std::string version;
};

class Server {
 public:
  // Listens, but serves only once Run is called. `loaded` must outlive the server. Throws Error.
  Server(LoadedModel& loaded, ServerOptions options);
  ~Server();

  std::string url() const;
  int port() const;
  // Serves until Drain has been called and what was being answered is finished, or drain_timeout is over.
  // True if nothing had to be cut off.
  bool Run();
  // From any thread: takes no more requests.
  void Drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
