// The inside of Server, for the files that it consists of: server.cc (routes, generation), model_endpoints.cc,
// operator_endpoints.cc.
#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serve/access.h"
#include "serve/api_error.h"
#include "serve/metrics.h"
#include "serve/prompt.h"
#include "serve/request.h"
#include "serve/response_store.h"
#include "serve/server.h"

namespace fulgur {

// Requests that are being answered, by the id their response carries.
struct RunningRequest {
  std::vector<int64_t> ids;  // the scheduler's
  std::string path;
};

struct Server::Impl final : public HttpHandler {
  Impl(LoadedModel& model, ServerOptions given);

  // ---- HttpHandler
  std::optional<HttpReply> Refuse(const HttpRequest& request) override;
  void Handle(const HttpRequest& request, HttpExchange& exchange) override;
  HttpReply Failed(const HttpRequest& request, int status, const std::string& message) override;

  // What a handler has to work with.
  struct Call {
    const HttpRequest& request;
    HttpExchange& exchange;
    std::string id;      // of this request
    std::string suffix;  // of the path, where the route ends in '*'
    int status = 200;    // as answered, for log and metrics
    std::string note;    // for the log
  };
  struct Route {
    const char* method;
    std::string path;    // a last '*' stands for the rest
    bool quiet = false;  // asked for again and again: in the log at level debug only
    Access::Path access{};
    std::function<void(Call&)> handle;
  };

  void AddRoutes();
  // allowed: the methods that the path takes, if not this one.
  const Route* Find(const std::string& method, const std::string& path, std::string* suffix,
                    std::string* allowed) const;
  void Reply(Call& call, HttpReply reply);
  void ReplyError(Call& call, const ApiError& error, HttpHeaders headers = {});
  HttpReply ErrorReply(const std::string& path, const ApiError& error, const std::string& id) const;

  Json Body(const Call& call) const;
  void CheckModel(const std::string& name) const;
  void Generate(Call& call, ApiRequest (*parse)(const Json&, const RequestDefaults&));
  void Answer(Call& call, const ApiRequest& request);
  void Keep(const ApiRequest& request, const AnswerFormat& format);
  void NameIgnored(const Call& call, const ApiRequest& request, HttpHeaders* headers);

  // ---- model_endpoints.cc
  Json ModelJson(const std::string& name) const;
  void StoredResponse(Call& call);
  void CountTokens(Call& call);
  void Tokenize(Call& call);
  void Detokenize(Call& call);
  void Models(Call& call);
  void Examples(Call& call);

  // ---- operator_endpoints.cc
  void Health(Call& call);
  void Metrics(Call& call);
  void Slots(Call& call);
  void EndThinking(Call& call, const std::string& id);
  void CancelRequest(Call& call, const std::string& id);
  void Sessions(Call& call);
  void Reload(Call& call);
  std::vector<int64_t> RunningIds(const std::string& id) const;

  std::string Fingerprint(int64_t weights) const { return fmt::format("fulgur-{}-w{}", options.version, weights); }

  LoadedModel& loaded;
  ServerOptions options;
  std::shared_ptr<spdlog::logger> log;
  RequestDefaults defaults;
  ServerMetrics metrics;
  Constraints constraints;
  std::optional<ResponseStore> responses;
  const std::time_t started = std::time(nullptr);
  std::atomic<bool> draining{false};
  std::atomic<int64_t> answering{0};  // requests that wait for tokens
  std::vector<Route> routes;
  mutable std::mutex mutex;
  std::map<std::string, RunningRequest> running;  // under `mutex`
  std::set<std::string> warned;                   // under `mutex`: unknown fields that the log has
  std::optional<Access> access;                   // from the constructor's end on
  // Last, in this order: connections end before the scheduler does, and that before what its callbacks use.
  Scheduler scheduler;
  HttpServer http;
};

}  // namespace fulgur
