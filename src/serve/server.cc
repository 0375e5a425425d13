#include "serve/server.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <utility>

#include "base/json_as_given.h"
#include "serve/answer_stream.h"
#include "serve/fields.h"
#include "serve/mailbox.h"
#include "serve/server_impl.h"

namespace fulgur {

extern const char kWebPage[];
extern const size_t kWebPageSize;

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

uint64_t RandomNumber() {
  uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != static_cast<ssize_t>(sizeof number)) {
  }
  return number;
}

std::string NewId() { return fmt::format("{:016x}{:08x}", RandomNumber(), static_cast<uint32_t>(RandomNumber())); }

Api ApiOfPath(const std::string& path) { return path.starts_with("/v1/messages") ? Api::kAnthropic : Api::kOpenAi; }

// The page's one script may run, by its hash; nothing else may, even if a hole in the page let text in as HTML.
std::string WebPagePolicy(std::string_view page) {
  constexpr std::string_view kOpen = "<script>", kClose = "</script>";
  const size_t start = page.find(kOpen) + kOpen.size(), end = page.rfind(kClose);
  FULGUR_CHECK(start < end && end < page.size());
  const std::string_view script = page.substr(start, end - start);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(script.data()), script.size(), hash.data());
  std::array<unsigned char, 4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1> text;  // base64 and a zero
  const int size = EVP_EncodeBlock(text.data(), hash.data(), static_cast<int>(hash.size()));
  return fmt::format(
      "default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      std::string_view(reinterpret_cast<const char*>(text.data()), static_cast<size_t>(size)));
}

}  // namespace

Server::Impl::Impl(LoadedModel& model, ServerOptions given)
    : loaded(model),
      options(std::move(given)),
      log(std::make_shared<spdlog::logger>("serve", std::make_shared<spdlog::sinks::stderr_sink_mt>())),
      constraints(model.tokenizer),
      scheduler(model, options.scheduler),
      http(options.http, *this) {
  log->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
  if (!http.loopback() && options.keys.empty() && !options.no_key_needed) {
    throw Error(
        "{} can be reached from other machines, so clients must show a key: give --api-key or --api-key-file "
        "(or --no-key-needed to let everyone in)",
        options.http.host);
  }
  defaults.sampling = options.sampling;
  defaults.thinking_budget = options.thinking_budget;
  defaults.thinking_cap = options.thinking_cap;
  defaults.keep_thinking = options.keep_thinking;
  if (options.response_store_bytes > 0) defaults.responses = &responses.emplace(options.response_store_bytes);
  defaults.vocab_size = model.tokenizer.vocab_size();
  // "high" is the budget of M1-40k where there is room for it, else most of the context.
  defaults.effort_tokens = std::min(options.thinking_cap.value_or(40960), scheduler.max_context() / 4 * 3);
  access.emplace(options, http.loopback());
  AddRoutes();
}

const Server::Impl::Route* Server::Impl::Find(const std::string& method, const std::string& path, std::string* suffix,
                                              std::string* allowed) const {
  for (const Route& route : routes) {
    const bool prefix = route.path.back() == '*';
    const std::string_view fixed(route.path.data(), route.path.size() - (prefix ? 1 : 0));
    if (prefix ? !path.starts_with(fixed) : path != fixed) continue;
    const bool get = std::string_view(route.method) == "GET";
    if (route.method != method && !(method == "HEAD" && get)) {
      *allowed += fmt::format("{}{}", allowed->empty() ? "" : ", ", get ? "GET, HEAD" : route.method);
      continue;
    }
    if (prefix) *suffix = path.substr(fixed.size());
    return &route;
  }
  return nullptr;
}

HttpReply Server::Impl::ErrorReply(const std::string& path, const ApiError& error, const std::string& id) const {
  return JsonReply(ErrorJson(ApiOfPath(path), error, id), error.status());
}

std::optional<HttpReply> Server::Impl::Refuse(const HttpRequest& request) {
  if (std::optional<HttpReply> preflight = access->Preflight(request)) return preflight;
  std::string suffix, allowed;
  const Route* route = Find(request.method, request.path, &suffix, &allowed);
  std::optional<ApiError> error = access->Check(request, route == nullptr ? nullptr : &route->access);
  const std::string* encoding = request.Header("content-encoding");
  if (!error && encoding != nullptr && *encoding != "identity") {
    error.emplace(415, "", "compressed bodies are not taken; send the JSON as it is");
  }
  if (!error) return std::nullopt;
  metrics.CountRequest("refused", error->status());
  log->info("- {} {} {} {}", request.peer, Shown(request.method), error->status(), error->what());
  HttpReply reply = ErrorReply(request.path, *error, NewId());
  if (error->status() == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  access->AddCors(request, &reply.headers);
  return reply;
}

HttpReply Server::Impl::Failed(const HttpRequest& request, int status, const std::string& message) {
  metrics.CountRequest("refused", status);
  log->info("- {} {} {}", request.peer.empty() ? "-" : request.peer, status, message);
  return ErrorReply(request.path, ApiError(status, "", message), NewId());
}

void Server::Impl::Reply(Call& call, HttpReply reply) {
  call.status = reply.status;
  reply.headers.emplace_back("x-request-id", call.id);
  access->AddCors(call.request, &reply.headers);
  call.exchange.Send(reply);
}

void Server::Impl::ReplyError(Call& call, const ApiError& error, HttpHeaders headers) {
  HttpReply reply = ErrorReply(call.request.path, error, call.id);
  reply.headers.insert(reply.headers.end(), headers.begin(), headers.end());
  // What is wrong with a value may quote it, and the log has no text of prompts.
  call.note = options.log_text || error.status() >= 500 ? error.what() : error.field();
  Reply(call, std::move(reply));
}

void Server::Impl::Handle(const HttpRequest& request, HttpExchange& exchange) {
  const Clock::time_point start = Clock::now();
  Call call{request, exchange, NewId(), {}, 200, {}};
  std::string allowed;
  const Route* route = Find(request.method, request.path, &call.suffix, &allowed);
  try {
    if (route == nullptr && !allowed.empty()) {
      const std::string message =
          fmt::format("{} does not take {}, but {}", Shown(request.path), Shown(request.method), allowed);
      ReplyError(call, ApiError(405, "", message), {{"Allow", allowed}});
    } else if (route == nullptr) {
      throw ApiError(404, "", fmt::format("there is no {}; the APIs begin with /v1/", Shown(request.path)));
    } else {
      route->handle(call);
    }
  } catch (const ApiError& e) {
    ReplyError(call, e);
  } catch (const QueueFull& e) {
    ReplyError(call, ApiError(429, "", e.what(), "queue_full"),
               {{"Retry-After", std::to_string(e.retry_after().count())}});
  } catch (const Draining& e) {
    ReplyError(call, ApiError(503, "", e.what()), {{"Retry-After", "10"}});
  } catch (const Error& e) {
    ReplyError(call, ApiError(400, "", e.what()));
  }
  metrics.CountRequest(route == nullptr ? "unknown" : route->path, call.status);
  const bool quiet = route != nullptr && (route->access.open || route->quiet);
  log->log(quiet ? spdlog::level::debug : spdlog::level::info, "{} {} {} {} {} {:.3f}s{}{}", call.id, request.peer,
           Shown(request.method), Shown(request.path), call.status, SecondsSince(start), call.note.empty() ? "" : " ",
           call.note);
}

// ---- generation

Json Server::Impl::Body(const Call& call) const {
  if (call.request.body.empty()) throw ApiError(400, "", "the request has no body; it must be a JSON object");
  try {
    return ParseJsonAsGiven(call.request.body, "the request");
  } catch (const Error& e) {
    throw ApiError(400, "", e.what(), "invalid_json");
  }
}

void Server::Impl::CheckModel(const std::string& name) const {
  if (name.empty() || options.any_model) return;
  const auto& names = options.model_names;
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw ApiError(404, "model", fmt::format("model: there is no {}; this server has \"{}\"", Shown(name), names.front()),
                 "model_not_found");
}

// What the request has and is not honoured: to the client in a header, to the log once.
void Server::Impl::NameIgnored(const Call& call, const ApiRequest& request, HttpHeaders* headers) {
  std::string ignored;
  for (const std::string& field : request.ignored.names()) {
    ignored += (ignored.empty() ? "" : ", ") + field;
    const std::lock_guard lock(mutex);
    if (warned.size() < 1000 && warned.insert(field).second) log->warn("{} ignored field {}", call.id, Shown(field));
  }
  if (!ignored.empty()) headers->emplace_back("x-fulgur-ignored-fields", ignored);
}

void Server::Impl::Generate(Call& call, ApiRequest (*parse)(const Json&, const RequestDefaults&)) {
  ApiRequest request = parse(Body(call), defaults);
  CheckModel(request.model);
  if (!request.max_tokens && options.max_tokens > 0) request.max_tokens = options.max_tokens;
  Answer(call, request);
}

void Server::Impl::Answer(Call& call, const ApiRequest& request) {
  const Clock::time_point start = Clock::now();
  PreparedRequest prepared = Prepare(request, loaded, constraints, scheduler.max_context(),
                                     options.fixed_seed.value_or(static_cast<uint32_t>(RandomNumber())));
  for (ScheduledRequest& prompt : prepared.prompts) {
    StoppingRules& rules = prompt.generation.stopping;
    rules.early_truncation = options.early_truncation;
    rules.stop_strings.insert(rules.stop_strings.end(), options.stop.begin(), options.stop.end());
    scheduler.Validate(prompt);
  }
  const std::vector<std::vector<int32_t>> echo = [&] {
    std::vector<std::vector<int32_t>> ids;
    if (request.echo || options.log_text) {
      for (const ScheduledRequest& prompt : prepared.prompts) ids.push_back(prompt.generation.prompt);
    }
    return ids;
  }();
  if (options.log_text) {
    for (const auto& ids : echo) log->info("{} prompt: {}", call.id, JsonText(loaded.tokenizer.Decode(ids, false)));
  }

  const size_t outputs = prepared.prompts.size() * static_cast<size_t>(request.outputs);
  const auto mailbox = std::make_shared<Mailbox>(request.logprobs);
  std::vector<int64_t> ids;
  // Whatever happens from here on: what is not finished is cancelled, and forgotten.
  struct Guard {
    Impl* server;
    const std::string& id;
    const std::vector<int64_t>& ids;
    ~Guard() {
      --server->answering;
      for (const int64_t request : ids) server->scheduler.Cancel(request);
      const std::lock_guard lock(server->mutex);
      server->running.erase(id);
    }
  } guard{this, call.id, ids};
  ++answering;
  for (size_t p = 0; p < prepared.prompts.size(); ++p) {
    const int64_t first = static_cast<int64_t>(p) * request.outputs;
    ids.push_back(scheduler.Submit(std::move(prepared.prompts[p]), [mailbox, first](const OutputEvent& event) {
      mailbox->Put(first + event.output, event);
    }));
  }
  {
    const std::lock_guard lock(mutex);
    running[call.id] = {ids, call.request.path};
  }

  const int64_t weights = scheduler.weights_version();
  const std::unique_ptr<AnswerFormat> format =
      MakeFormat(request, {.id = call.id,
                           .created = static_cast<int64_t>(std::time(nullptr)),
                           .model = request.model.empty() ? options.model_names.front() : request.model,
                           .fingerprint = Fingerprint(weights),
                           .reasoning = options.reasoning,
                           .prompt_tokens = prepared.prompt_tokens});
  HttpHeaders headers = {{"x-request-id", call.id}, {"x-fulgur-weights-version", std::to_string(weights)}};
  NameIgnored(call, request, &headers);
  access->AddCors(call.request, &headers);
  if (request.stream) {
    headers.emplace_back("Content-Type", "text/event-stream; charset=utf-8");
    headers.emplace_back("Cache-Control", "no-cache");
    headers.emplace_back("X-Accel-Buffering", "no");
  }
  std::function<void(const fulgur::Answer&)> on_text;
  if (options.log_text) {
    on_text = [&](const fulgur::Answer& answer) {
      log->info("{} answer: {} {}", call.id, JsonText(answer.reasoning), JsonText(answer.content));
    };
  }
  AnswerStream stream({.request = request,
                       .reading = prepared.reading,
                       .prompts = echo,
                       .prompt_tokens = prepared.prompt_tokens,
                       .tokenizer = loaded.tokenizer,
                       .format = *format,
                       .exchange = call.exchange,
                       .headers = std::move(headers),
                       .metrics = metrics,
                       .answering = answering,
                       .ping_interval = options.ping_interval,
                       .start = start,
                       .call_id_prefix = call.id,
                       .on_text = std::move(on_text),
                       .on_finished = [&] { Keep(request, *format); }},
                      outputs);
  stream.Run(*mailbox);
  call.status = stream.status();
  call.note = stream.note();
}

// Before the client has the end of the response, so that it finds what it asks for next.
void Server::Impl::Keep(const ApiRequest& request, const AnswerFormat& format) {
  const Json* finished = format.Finished();
  if (responses && finished != nullptr) responses->Put(request.previous_response_id, request.input_items, *finished);
}

void Server::Impl::AddRoutes() {
  const auto add = [&](const char* method, std::string path, auto handle) -> Route& {
    routes.push_back({.method = method, .path = std::move(path), .handle = handle});
    return routes.back();
  };
  add("POST", "/v1/chat/completions", [this](Call& call) { Generate(call, ParseChatCompletions); });
  add("POST", "/v1/completions", [this](Call& call) { Generate(call, ParseCompletions); });
  add("POST", "/v1/responses", [this](Call& call) { Generate(call, ParseResponses); });
  for (const char* method : {"GET", "DELETE"}) {
    add(method, "/v1/responses/*", [this](Call& call) { StoredResponse(call); });
  }
  add("POST", "/v1/messages", [this](Call& call) {
    Generate(call, [](const Json& body, const RequestDefaults& d) { return ParseMessages(body, d); });
  });
  add("POST", "/v1/messages/count_tokens", [this](Call& call) { CountTokens(call); });
  add("GET", "/v1/models", [this](Call& call) { Models(call); });
  add("GET", "/v1/models/*", [this](Call& call) { Models(call); });
  add("POST", "/v1/requests/*", [this](Call& call) {
    constexpr std::string_view kEnd = "/end_thinking", kCancel = "/cancel";
    if (call.suffix.ends_with(kEnd)) return EndThinking(call, call.suffix.substr(0, call.suffix.size() - kEnd.size()));
    if (call.suffix.ends_with(kCancel)) {
      return CancelRequest(call, call.suffix.substr(0, call.suffix.size() - kCancel.size()));
    }
    throw ApiError(404, "", "a running request takes /v1/requests/ID/end_thinking and /v1/requests/ID/cancel");
  });
  add("GET", "/v1/sessions", [this](Call& call) { Sessions(call); });
  for (const char* method : {"POST", "DELETE"}) {
    add(method, "/v1/sessions/*", [this](Call& call) { Sessions(call); });
  }
  add("POST", "/tokenize", [this](Call& call) { Tokenize(call); });
  add("POST", "/detokenize", [this](Call& call) { Detokenize(call); });
  add("GET", "/examples", [this](Call& call) { Examples(call); });
  add("GET", "/metrics", [this](Call& call) { Metrics(call); }).quiet = true;
  add("GET", "/slots", [this](Call& call) { Slots(call); }).quiet = true;
  add("POST", "/admin/reload", [this](Call& call) { Reload(call); }).access.admin = true;
  add("GET", "/health", [this](Call& call) { Health(call); }).access.open = true;
  add("GET", "/", [this](Call& call) {
    Reply(call, {.status = 200,
                 .headers = {{"Content-Type", "text/html; charset=utf-8"},
                             {"Cache-Control", "no-cache"},
                             {"X-Content-Type-Options", "nosniff"},
                             {"Referrer-Policy", "no-referrer"},
                             {"Content-Security-Policy", WebPagePolicy({kWebPage, kWebPageSize})}},
                 .body = std::string(kWebPage, kWebPageSize)});
  }).access.open = true;
}

Server::Server(LoadedModel& loaded, ServerOptions options) {
  FULGUR_CHECK(!options.model_names.empty());
  impl_ = std::make_unique<Impl>(loaded, std::move(options));
}

Server::~Server() = default;

std::string Server::url() const { return impl_->http.url(); }
int Server::port() const { return impl_->http.port(); }

bool Server::Run() {
  impl_->http.Run();
  const bool all = impl_->scheduler.Drain(impl_->options.drain_timeout);
  // What has been generated still has to reach slow readers.
  impl_->http.Join(std::chrono::seconds(5));
  return all;
}

void Server::Drain() {
  impl_->draining = true;
  impl_->log->info("draining: no more requests are taken");
  impl_->http.Stop();
}

}  // namespace fulgur
