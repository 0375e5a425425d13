// An OpenAI-compatible server that is asked for chat completions: a judge, a user, or a model under test.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"

namespace fulgur {

struct EndpointOptions {
  std::string url;      // "http://host:8000", "https://host/v1": "/v1" is added where it is not there
  std::string model;    // empty: the first that GET /v1/models names
  std::string api_key;  // sent as a bearer token; empty: none
  // Of one request, and of all tries at one question together.
  double request_seconds = 3600, total_seconds = 4 * 3600.0;
  // Of all tries to ask for the model's name: as long as a server that is just starting may take.
  double name_seconds = 30;
  // For tests: the first pause between two tries; each further one is twice as long, at most 60 s.
  double first_pause_seconds = 1;
};

struct EndpointReply {
  std::optional<Json> body;  // of a 200
  std::string error;         // why there is none: one line
  int64_t tries = 1;
};

// Thread-safe: each call has a connection of its own. The one layer that tries again: after no answer, 408, 429 and
// 5xx, with pauses that double and vary, or as long as Retry-After says, until its seconds are over. What a server
// says to a request that is wrong (other 4xx) is final.
class ChatEndpoint {
 public:
  // Asks for the model's name if none is given. Error that names the URL if nothing answers there.
  explicit ChatEndpoint(EndpointOptions options);
  const std::string& model() const { return options_.model; }
  const std::string& url() const { return options_.url; }
  // POST /chat/completions; "model" is added to the body.
  EndpointReply Complete(Json body) const;

 private:
  EndpointReply Request(const std::string& path, const std::string* body, double total_seconds) const;
  EndpointOptions options_;
};

}  // namespace fulgur
