#include "serve/server.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "base/json_as_given.h"
#include "serve/fields.h"
#include "serve/mailbox.h"
#include "serve/metrics.h"
#include "serve/prompt.h"
#include "serve/request.h"
#include "serve/response_store.h"

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

HttpReply JsonReply(const Json& json, int status = 200) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = JsonText(json) + "\n"};
}

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

// Requests that are being answered, by the id their response carries.
struct Running {
  std::vector<int64_t> ids;  // the scheduler's
  const char* path = "";
};

}  // namespace

struct Server::Impl final : public HttpHandler {
  Impl(LoadedModel& model, ServerOptions given)
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
    AddRoutes();
  }

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
    bool open = false;   // needs no key
    bool quiet = false;  // asked for again and again: in the log at level debug only
    bool admin = false;
    std::function<void(Call&)> handle;
  };

  void AddRoutes();
  // allowed: the methods that the path takes, if not this one.
  const Route* Find(const std::string& method, const std::string& path, std::string* suffix,
                    std::string* allowed) const;
  std::optional<ApiError> Check(const HttpRequest& request) const;
  void AddCors(const HttpRequest& request, HttpHeaders* headers) const;
  void Reply(Call& call, HttpReply reply);
  void ReplyError(Call& call, const ApiError& error, HttpHeaders headers = {});
  HttpReply ErrorReply(const std::string& path, const ApiError& error, const std::string& id) const;

  Json Body(const Call& call) const;
  void CheckModel(const std::string& name) const;
  Json ModelJson(const std::string& name) const;
  void Generate(Call& call, ApiRequest (*parse)(const Json&, const RequestDefaults&));
  void Answer(Call& call, const ApiRequest& request);
  void Keep(const ApiRequest& request, const AnswerFormat& format);
  void StoredResponse(Call& call);
  void NameIgnored(const Call& call, const ApiRequest& request, HttpHeaders* headers);
  void CountTokens(Call& call);
  void Tokenize(Call& call);
  void Detokenize(Call& call);
  void Models(Call& call);
  void Health(Call& call);
  void Examples(Call& call);
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
  std::map<std::string, Running> running;  // under `mutex`
  std::set<std::string> warned;            // under `mutex`: unknown fields that the log has
  // Last, in this order: connections end before the scheduler does, and that before what its callbacks use.
  Scheduler scheduler;
  HttpServer http;
};

// ---- access

namespace {

Api ApiOfPath(const std::string& path) { return path.starts_with("/v1/messages") ? Api::kAnthropic : Api::kOpenAi; }

// The key that a request shows, by either of the usual headers.
std::string_view KeyOf(const HttpRequest& request) {
  if (const std::string* header = request.Header("authorization")) {
    constexpr std::string_view kBearer = "bearer ";
    if (header->size() > kBearer.size()) {
      std::string scheme = header->substr(0, kBearer.size());
      std::transform(scheme.begin(), scheme.end(), scheme.begin(), [](unsigned char c) { return std::tolower(c); });
      if (scheme == kBearer) return std::string_view(*header).substr(header->find_first_not_of(' ', kBearer.size()));
    }
  }
  if (const std::string* header = request.Header("x-api-key")) return *header;
  return {};
}

bool IsLocalName(const std::string& host) {
  // An address, not a name that begins like one.
  const bool ipv4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  return ipv4 || host == "localhost" || host == "::1" || host.ends_with(".localhost");
}

}  // namespace

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

// Who may use the server: by key, or, without keys, who is on this machine and not sent by somebody's web page.
std::optional<ApiError> Server::Impl::Check(const HttpRequest& request) const {
  std::string suffix, allowed;
  const Route* route = Find(request.method, request.path, &suffix, &allowed);
  if (options.keys.empty()) {
    const std::string* host = request.Header("host");
    if (http.loopback() && host != nullptr && !IsLocalName(HostOf(*host)) &&
        std::find(options.allowed_hosts.begin(), options.allowed_hosts.end(), HostOf(*host)) ==
            options.allowed_hosts.end()) {
      const std::string name = HostOf(*host);
      // To listen there means to listen everywhere; as an address to connect to it reaches this machine by accident.
      const bool any = name == "0.0.0.0" || name == "::";
      return ApiError(403, "",
                      any ? fmt::format("{} is where a server listens, not a name to call it by: use 127.0.0.1 or "
                                        "localhost in the URL (or start it with --allowed-host {})",
                                        name, name)
                          : fmt::format("this server is not called {}; --allowed-host adds a name", Shown(name)));
    }
    if (const std::string* origin = request.Header("origin")) {
      const size_t scheme = origin->find("://");
      const bool same = host != nullptr && scheme != std::string::npos && origin->substr(scheme + 3) == *host;
      HttpHeaders headers;
      AddCors(request, &headers);
      if (!same && headers.empty()) {
        return ApiError(403, "", "requests from web pages of other origins are refused; --cors-origin allows one");
      }
    }
  }
  if (route == nullptr || route->open) return std::nullopt;
  if (route->admin && options.keys.empty() && !http.loopback()) {
    return ApiError(403, "", "this takes a key that was given with --admin-key");
  }
  const std::string_view key = KeyOf(request);
  if (!options.keys.empty()) {
    if (key.empty()) {
      return ApiError(401, "", "no API key: send it as \"Authorization: Bearer KEY\" or \"x-api-key: KEY\"",
                      "missing_api_key");
    }
    const bool known = options.keys.Contains(key), admin = options.admin_keys.Contains(key);
    if (!known && !admin) return ApiError(401, "", "the API key is not one of this server's", "invalid_api_key");
    if (route->admin && !admin) return ApiError(403, "", "this takes a key that was given with --admin-key");
  }
  return std::nullopt;
}

void Server::Impl::AddCors(const HttpRequest& request, HttpHeaders* headers) const {
  const std::string* origin = request.Header("origin");
  if (origin == nullptr) return;
  for (const std::string& allowed : options.cors_origins) {
    if (allowed != "*" && allowed != *origin) continue;
    headers->emplace_back("Access-Control-Allow-Origin", allowed == "*" ? "*" : *origin);
    headers->emplace_back("Access-Control-Expose-Headers",
                          "x-request-id, x-fulgur-weights-version, x-fulgur-ignored-fields");
    if (allowed != "*") headers->emplace_back("Vary", "Origin");
    return;
  }
}

HttpReply Server::Impl::ErrorReply(const std::string& path, const ApiError& error, const std::string& id) const {
  return JsonReply(ErrorJson(ApiOfPath(path), error, id), error.status());
}

std::optional<HttpReply> Server::Impl::Refuse(const HttpRequest& request) {
  HttpHeaders cors;
  AddCors(request, &cors);
  if (request.method == "OPTIONS" && !cors.empty() && request.Header("access-control-request-method") != nullptr) {
    cors.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE");
    const std::string* asked = request.Header("access-control-request-headers");
    cors.emplace_back("Access-Control-Allow-Headers", asked == nullptr ? "authorization, content-type" : *asked);
    cors.emplace_back("Access-Control-Max-Age", "600");
    return HttpReply{.status = 204, .headers = std::move(cors), .body = {}};
  }
  std::optional<ApiError> error = Check(request);
  const std::string* encoding = request.Header("content-encoding");
  if (!error && encoding != nullptr && *encoding != "identity") {
    error.emplace(415, "", "compressed bodies are not taken; send the JSON as it is");
  }
  if (!error) return std::nullopt;
  metrics.CountRequest("refused", error->status());
  log->info("- {} {} {} {}", request.peer, Shown(request.method), error->status(), error->what());
  HttpReply reply = ErrorReply(request.path, *error, NewId());
  if (error->status() == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  reply.headers.insert(reply.headers.end(), cors.begin(), cors.end());
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
  AddCors(call.request, &reply.headers);
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
  const bool quiet = route != nullptr && (route->open || route->quiet);
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
    running[call.id] = {ids, call.request.path == "/v1/chat/completions" ? "/v1/chat/completions"
                             : call.request.path == "/v1/completions"    ? "/v1/completions"
                             : call.request.path == "/v1/responses"      ? "/v1/responses"
                                                                         : "/v1/messages"};
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
  AddCors(call.request, &headers);
  if (request.stream) {
    headers.emplace_back("Content-Type", "text/event-stream; charset=utf-8");
    headers.emplace_back("Cache-Control", "no-cache");
    headers.emplace_back("X-Accel-Buffering", "no");
  }

  struct Output {
    AnswerReader reader;
    fulgur::Answer answer;  // whole, if it is not streamed
    std::optional<Clock::time_point> first;
    int64_t tokens = 0;
    bool begun = false, ended = false;
  };
  std::vector<Output> states;
  states.reserve(outputs);
  for (size_t i = 0; i < outputs; ++i) {
    states.push_back({AnswerReader(static_cast<int64_t>(i), prepared.reading, loaded.tokenizer,
                                   fmt::format("call_{}_{}_", call.id, i)),
                      {},
                      {}});
  }
  bool begun = false, connected = true;
  std::string out;  // to be written with the next piece
  const auto begin = [&] {
    if (begun) return;
    begun = true;
    connected = call.exchange.Begin(200, headers);
    out = format->Begin() + out;
  };

  AnswerUsage usage;
  size_t left = outputs;
  Clock::time_point spoke = Clock::now(), looked = spoke;
  while (left > 0 && connected) {
    constexpr std::chrono::milliseconds kLook{250};
    // To wake a thread and send a packet takes about 25 us. All streams together may have 2,500 a second of that, which
    // is a packet a token for a few of them; many send what came meanwhile together. Who does not stream waits for the
    // end.
    constexpr std::chrono::microseconds kPacket{400};
    const Clock::time_point until =
        std::min(looked + kLook, request.stream ? spoke + options.ping_interval : Clock::time_point::max());
    const Clock::time_point gather = !request.stream ? until
                                     : begun         ? spoke + answering.load() * kPacket
                                                     : Clock::time_point();
    std::vector<Mailbox::Event> events = mailbox->Take(until, gather);
    const Clock::time_point now = Clock::now();
    usage.timings = mailbox->timings();
    for (Mailbox::Event& event : events) {
      Output& state = states[static_cast<size_t>(event.output)];
      if (!state.first && event.token_count > 0) {
        state.first = now;
        if (event.output == 0) metrics.first_token.Add(SecondsSince(start));
      }
      state.tokens += event.token_count;
      AnswerEnd answer_end;
      if (event.end) {
        const OutputEnd& end = *event.end;
        answer_end = {.reason = end.reason,
                      .message = end.message,
                      .prompt_tokens = end.prompt_tokens,
                      .cached_tokens = end.reused_tokens,
                      .output_tokens = end.output_tokens,
                      .thinking_tokens = end.thinking_tokens,
                      .thinking_cut = end.thinking_cut,
                      .weights_version = end.weights_version};
      }
      if (request.max_tokens == 0) {  // the engine writes one at least
        event.text.clear();
        event.tokens.clear();
        answer_end.output_tokens = 0;
        usage.timings.tokens = 0;
      }
      AnswerPiece piece = event.end ? state.reader.Finish(event.text, event.tokens, answer_end.cut())
                                    : state.reader.Push(event.text, event.tokens);
      if (!std::exchange(state.begun, true) && request.echo) {
        const std::vector<int32_t>& prompt = echo[static_cast<size_t>(event.output / request.outputs)];
        piece.content.insert(0, loaded.tokenizer.Decode(prompt, /*skip_special=*/true));
        std::vector<AnswerToken> tokens;
        for (const OutputToken& token : event.prompt) {
          tokens.push_back(MakeAnswerToken(loaded.tokenizer, token));
          tokens.back().first = tokens.size() == 1;
        }
        piece.tokens.insert(piece.tokens.begin(), tokens.begin(), tokens.end());
      }
      piece.timings = usage.timings;
      if (event.end && event.end->reason == FinishReason::kError) {
        const ApiError error(500, "", event.end->message);
        if (!begun) throw error;
        call.status = 500;
        call.note = error.what();
        call.exchange.Write(out + format->Failure(error));
        call.exchange.End();
        return;
      }
      if (request.stream) {
        begin();
        if (!piece.empty()) out += format->Piece(piece);
      }
      if (!request.stream || options.log_text) Append(piece, &state.answer);
      if (options.log_text && event.end) {
        log->info("{} answer: {} {}", call.id, JsonText(state.answer.reasoning), JsonText(state.answer.content));
      }
      if (!event.end || state.ended) continue;
      state.ended = true;
      --left;
      answer_end.has_calls = state.reader.has_calls();
      answer_end.broken_call = state.reader.broken_call();
      state.answer.end = answer_end;
      usage.Add(state.answer.end, event.output % request.outputs == 0);
      if (request.stream) out += format->OutputEnd(event.output, state.answer.end);
      if (state.first && state.tokens > 1) {
        metrics.between_tokens.Add(std::chrono::duration<double>(now - *state.first).count() /
                                   static_cast<double>(state.tokens - 1));
      }
    }
    if (left == 0) break;
    if (request.stream && out.empty() && now >= spoke + options.ping_interval) {
      begin();
      out += format->Ping();
    }
    if (!out.empty() && connected) {
      connected = call.exchange.Write(out);
      out.clear();
      spoke = now;
    }
    if (connected && now >= looked + kLook) {
      connected = call.exchange.Connected();
      looked = now;
    }
  }
  metrics.duration.Add(SecondsSince(start));
  metrics.prompt_tokens.Add(static_cast<double>(prepared.prompt_tokens));
  metrics.output_tokens.Add(static_cast<double>(usage.output_tokens));
  if (left > 0) {
    call.status = 499;
    call.note = "the client has gone";
    if (!begun) call.exchange.Send({.status = 499, .headers = {}, .body = {}});
    return;
  }
  const AnswerEnd& end = states.front().answer.end;
  call.note = fmt::format("prompt {} cached {} output {} thinking {} {}{}", usage.prompt_tokens, usage.cached_tokens,
                          usage.output_tokens, usage.thinking_tokens, FinishReasonName(end.reason),
                          end.thinking_cut ? " thinking-cut" : "");
  if (request.stream) {
    begin();
    out += format->End(usage);
    Keep(request, *format);
    if (connected) connected = call.exchange.Write(out);
    call.exchange.End();
    return;
  }
  std::vector<fulgur::Answer> answers;
  for (Output& state : states) answers.push_back(std::move(state.answer));
  HttpReply reply = JsonReply(format->Whole(answers, usage));
  Keep(request, *format);
  reply.headers.insert(reply.headers.end(), headers.begin(), headers.end());
  call.exchange.Send(reply);
}

// Before the client has the end of the response, so that it finds what it asks for next.
void Server::Impl::Keep(const ApiRequest& request, const AnswerFormat& format) {
  const Json* finished = format.Finished();
  if (responses && finished != nullptr) responses->Put(request.previous_response_id, request.input_items, *finished);
}

// ---- the smaller endpoints

void Server::Impl::StoredResponse(Call& call) {
  if (!responses) {
    throw ApiError(404, "", "this server keeps no responses; --response-store 64MB makes it keep the last ones");
  }
  const std::string& id = call.suffix;
  const auto missing = [&] { return ApiError(404, "", fmt::format("no response with the id {} is kept", Shown(id))); };
  if (call.request.method == "DELETE") {
    if (!responses->Remove(id)) throw missing();
    return Reply(call, JsonReply({{"id", id}, {"object", "response"}, {"deleted", true}}));
  }
  const std::optional<Json> response = responses->Response(id);
  if (!response) throw missing();
  Reply(call, JsonReply(*response));
}

void Server::Impl::CountTokens(Call& call) {
  const ApiRequest request = ParseMessages(Body(call), defaults, /*for_count=*/true);
  CheckModel(request.model);
  AnswerReader::Options::Start start;
  HttpReply reply = JsonReply({{"input_tokens", ChatPrompt(request, loaded, &start).size()}});
  NameIgnored(call, request, &reply.headers);
  Reply(call, std::move(reply));
}

// vLLM's and llama-server's spellings at once.
void Server::Impl::Tokenize(Call& call) {
  const Json json = Body(call);
  Fields body(json, "");
  std::vector<int32_t> ids;
  if (body.Get("messages") != nullptr) {
    AnswerReader::Options::Start start;
    ids = ChatPrompt(ParseChatCompletions(json, defaults), loaded, &start);
  } else {
    const char* key = body.Get("content") != nullptr ? "content" : "prompt";
    const bool recognised = body.Bool("parse_special").value_or(true);
    ids = loaded.tokenizer.Encode(body.NeedString(key),
                                  recognised ? Tokenizer::Special::kRecognised : Tokenizer::Special::kPlainText);
    // vLLM adds what the tokenizer puts around a text unless told not to, llama-server only when told to.
    const bool prompt = body.Get("prompt") != nullptr && body.Get("content") == nullptr;
    if (body.Bool("add_special_tokens").value_or(body.Bool("add_special").value_or(prompt))) {
      const std::vector<int32_t>&begin = loaded.tokenizer.begin_ids(), &end = loaded.tokenizer.end_ids();
      ids.insert(ids.begin(), begin.begin(), begin.end());
      ids.insert(ids.end(), end.begin(), end.end());
    }
  }
  Json out = {{"count", ids.size()}, {"max_model_len", scheduler.max_context()}, {"tokens", ids}};
  if (body.Bool("return_token_strs").value_or(false)) {
    out["token_strs"] = Json::array();
    for (const int32_t id : ids) out["token_strs"].push_back(loaded.tokenizer.Bytes(id));
  }
  if (body.Bool("with_pieces").value_or(false)) {
    out["tokens"] = Json::array();
    for (const int32_t id : ids) out["tokens"].push_back({{"id", id}, {"piece", loaded.tokenizer.Bytes(id)}});
  }
  Reply(call, JsonReply(out));
}

void Server::Impl::Detokenize(Call& call) {
  const Json json = Body(call);
  Fields body(json, "");
  body.Need("tokens", "a list of token ids");
  const Json& tokens = *body.Array("tokens");
  std::vector<int32_t> ids;
  for (size_t i = 0; i < tokens.size(); ++i) {
    ids.push_back(static_cast<int32_t>(IntegerOf(tokens[i], fmt::format("tokens[{}]", i), 0, defaults.vocab_size - 1)));
  }
  const std::string text = loaded.tokenizer.Decode(ids, /*skip_special=*/false);
  Reply(call, JsonReply({{"prompt", text}, {"content", text}}));
}

Json Server::Impl::ModelJson(const std::string& name) const {
  return {{"id", name},
          {"object", "model"},
          {"created", started},
          {"owned_by", "fulgur"},
          {"max_model_len", scheduler.max_context()},
          {"type", "model"},
          {"display_name", name},
          {"created_at", "1970-01-01T00:00:00Z"},
          {"weights_version", scheduler.weights_version()},
          {"vocab_size", defaults.vocab_size},
          {"default_thinking_budget", defaults.thinking_budget ? Json(*defaults.thinking_budget) : Json()},
          {"max_thinking_budget", defaults.thinking_cap ? Json(*defaults.thinking_cap) : Json()}};
}

void Server::Impl::Models(Call& call) {
  if (!call.suffix.empty()) {
    CheckModel(call.suffix);
    return Reply(call, JsonReply(ModelJson(call.suffix)));
  }
  Json list = {{"object", "list"}, {"data", Json::array()}, {"has_more", false}};
  for (const std::string& name : options.model_names) list["data"].push_back(ModelJson(name));
  list["first_id"] = options.model_names.front();
  list["last_id"] = options.model_names.back();
  Reply(call, JsonReply(list));
}

void Server::Impl::Health(Call& call) {
  const bool ok = !draining;
  Reply(call, JsonReply({{"status", ok ? "ok" : "draining"},
                         {"model", options.model_names.front()},
                         {"version", options.version},
                         {"weights_version", scheduler.weights_version()},
                         {"max_context", scheduler.max_context()}},
                        ok ? 200 : 503));
}

void Server::Impl::Examples(Call& call) {
  Json list = Json::array();
  for (const ServerExample& example : options.examples) {
    list.push_back({{"task", example.task}, {"about", example.about}, {"prompt", example.prompt}});
  }
  Reply(call, JsonReply({{"object", "list"}, {"data", std::move(list)}}));
}

void Server::Impl::Metrics(Call& call) {
  const SchedulerStats s = scheduler.stats();
  std::string text;
  metrics.Write(&text);
  const auto gauge = [&](const char* name, const char* help, auto value) {
    WriteMetric(name, "gauge", help, static_cast<double>(value), &text);
  };
  const auto counter = [&](const char* name, const char* help, auto value) {
    WriteMetric(name, "counter", help, static_cast<double>(value), &text);
  };
  gauge("fulgur_connections", "Open connections.", http.connections());
  gauge("fulgur_requests_queued", "Requests that wait to begin.", s.queued);
  gauge("fulgur_queued_tokens", "Prompt tokens of requests that wait to begin.", s.queued_tokens);
  gauge("fulgur_requests_prefilling", "Requests whose prompt is being processed.", s.prefilling);
  gauge("fulgur_sequences_running", "Sequences that are generating.", s.running);
  gauge("fulgur_sequences_max", "Most sequences at a time.", s.max_batch);
  gauge("fulgur_running_bytes", "Memory of running sequences.", s.running_bytes);
  gauge("fulgur_weights_version", "Version of the weights in use.", s.weights_version);
  counter("fulgur_requests_submitted_total", "Requests accepted for generation.", s.submitted);
  counter("fulgur_requests_rejected_total", "Requests refused because the queue was full.", s.rejected);
  text +=
      "# HELP fulgur_outputs_finished_total Outputs, by why they ended.\n# TYPE fulgur_outputs_finished_total "
      "counter\n";
  for (size_t i = 0; i < s.finished.size(); ++i) {
    text += fmt::format("fulgur_outputs_finished_total{{reason=\"{}\"}} {}\n",
                        FinishReasonName(static_cast<FinishReason>(i)), s.finished[i]);
  }
  counter("fulgur_prompt_tokens_total", "Prompt tokens of requests that have begun.", s.prompt_tokens);
  counter("fulgur_cached_tokens_total", "Of those, tokens taken from the prefix cache.", s.cached_tokens);
  counter("fulgur_prefill_tokens_total", "Prompt tokens processed.", s.prefill_tokens);
  counter("fulgur_output_tokens_total", "Tokens written.", s.output_tokens);
  counter("fulgur_thinking_tokens_total", "Of those, tokens of thinking.", s.thinking_tokens);
  counter("fulgur_drafted_tokens_total", "Tokens drafted from the text so far.", s.drafted_tokens);
  counter("fulgur_accepted_tokens_total", "Of those, tokens that were right.", s.accepted_tokens);
  counter("fulgur_steps_total", "Steps of the engine.", s.steps);
  counter("fulgur_steps_failed_total", "Steps that failed.", s.failed_steps);
  counter("fulgur_busy_seconds_total", "Time in steps.", s.busy_seconds);
  counter("fulgur_forward_seconds_total", "Time in the model.", s.forward_seconds);
  counter("fulgur_queue_seconds_total", "Time that requests waited to begin, summed.", s.queue_seconds);
  counter("fulgur_prefill_seconds_total", "Time from beginning to first token, summed over requests.",
          s.prefill_seconds);
  counter("fulgur_uptime_seconds", "Since the server began.", s.uptime_seconds);
  gauge("fulgur_cache_state_bytes", "Lightning states in the prefix cache.", s.cache.state_bytes);
  gauge("fulgur_cache_kv_bytes", "KV blocks in the prefix cache.", s.cache.kv_bytes);
  gauge("fulgur_cache_checkpoints", "States in the prefix cache.", s.cache.checkpoints);
  counter("fulgur_cache_lookups_total", "Look-ups in the prefix cache.", s.cache.lookups);
  counter("fulgur_cache_hits_total", "Look-ups that found something.", s.cache.hits);
  counter("fulgur_cache_evicted_total", "States dropped from the prefix cache.", s.cache.evicted);
  gauge("fulgur_cache_spill_bytes", "Files of the prefix cache.", s.cache.spill_bytes);
  counter("fulgur_cache_spill_damaged_total", "Cache files that were damaged and dropped.", s.cache.spill_damaged);
  Reply(call, {.status = 200,
               .headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
               .body = std::move(text)});
}

void Server::Impl::Slots(Call& call) {
  const SchedulerStats s = scheduler.stats();
  std::map<int64_t, std::pair<std::string, const char*>> names;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, request] : running) {
      for (const int64_t number : request.ids) names[number] = {id, request.path};
    }
  }
  Json slots = Json::array();
  for (const RequestStats& r : s.requests) {
    Json slot = {{"id", r.id},
                 {"request_id", nullptr},
                 {"path", nullptr},
                 {"phase", PhaseName(r.phase)},
                 {"priority", -r.priority},
                 {"age_seconds", r.age_seconds},
                 {"prompt_tokens", r.prompt_tokens},
                 {"cached_tokens", r.cached_tokens},
                 {"prefilled_tokens", r.prefilled_tokens},
                 {"outputs", r.outputs},
                 {"outputs_finished", r.outputs_finished},
                 {"output_tokens", r.output_tokens},
                 {"in_thinking", r.in_thinking}};
    if (const auto it = names.find(r.id); it != names.end()) {
      slot["request_id"] = it->second.first;
      slot["path"] = it->second.second;
    }
    slots.push_back(std::move(slot));
  }
  Json finished = Json::object();
  for (size_t i = 0; i < s.finished.size(); ++i)
    finished[FinishReasonName(static_cast<FinishReason>(i))] = s.finished[i];
  const auto mean = [](double sum, int64_t count) { return count == 0 ? 0 : sum / static_cast<double>(count); };
  Reply(call, JsonReply({{"model", options.model_names.front()},
                         {"version", options.version},
                         {"weights_version", s.weights_version},
                         {"draining", s.draining || draining},
                         {"connections", http.connections()},
                         {"uptime_seconds", s.uptime_seconds},
                         {"busy_seconds", s.busy_seconds},
                         {"forward_seconds", s.forward_seconds},
                         {"max_context", s.max_context},
                         {"batch",
                          {{"running", s.running},
                           {"max", s.max_batch},
                           {"prefilling", s.prefilling},
                           {"queued", s.queued},
                           {"queued_tokens", s.queued_tokens},
                           {"bytes", s.running_bytes},
                           {"last_step_seconds", s.step_seconds},
                           {"last_step_decode_tokens", s.step_decode_tokens},
                           {"last_step_prefill_tokens", s.step_prefill_tokens}}},
                         {"totals",
                          {{"submitted", s.submitted},
                           {"rejected", s.rejected},
                           {"finished", std::move(finished)},
                           {"steps", s.steps},
                           {"failed_steps", s.failed_steps},
                           {"prompt_tokens", s.prompt_tokens},
                           {"cached_tokens", s.cached_tokens},
                           {"prefill_tokens", s.prefill_tokens},
                           {"output_tokens", s.output_tokens},
                           {"thinking_tokens", s.thinking_tokens},
                           {"drafted_tokens", s.drafted_tokens},
                           {"accepted_tokens", s.accepted_tokens},
                           {"mean_queue_seconds", mean(s.queue_seconds, s.begun)},
                           {"mean_prefill_seconds", mean(s.prefill_seconds, s.first_tokens)}}},
                         {"cache",
                          {{"lookups", s.cache.lookups},
                           {"hits", s.cache.hits},
                           {"lookup_tokens", s.cache.lookup_tokens},
                           {"hit_tokens", s.cache.hit_tokens},
                           {"checkpoints", s.cache.checkpoints},
                           {"state_bytes", s.cache.state_bytes},
                           {"state_bytes_max", options.scheduler.cache.state_bytes},
                           {"kv_bytes", s.cache.kv_bytes},
                           {"kv_bytes_max", options.scheduler.cache.kv_bytes},
                           {"evicted", s.cache.evicted},
                           {"spill_files", s.cache.spill_files},
                           {"spill_bytes", s.cache.spill_bytes},
                           {"spill_damaged", s.cache.spill_damaged}}},
                         {"slots", std::move(slots)}}));
}

// The ids of all prefixes that responses carry are taken: chatcmpl-, cmpl-, resp_, msg_.
std::vector<int64_t> Server::Impl::RunningIds(const std::string& id) const {
  const size_t prefix = id.find_last_of("-_");
  const std::lock_guard lock(mutex);
  const auto it = running.find(prefix == std::string::npos ? id : id.substr(prefix + 1));
  if (it == running.end()) throw ApiError(404, "", fmt::format("no running request has the id {}", Shown(id)));
  return it->second.ids;
}

void Server::Impl::EndThinking(Call& call, const std::string& id) {
  for (const int64_t number : RunningIds(id)) scheduler.EndThinking(number);
  Reply(call, JsonReply({{"id", id}, {"ended", "thinking"}}));
}

void Server::Impl::CancelRequest(Call& call, const std::string& id) {
  for (const int64_t number : RunningIds(id)) scheduler.Cancel(number);
  Reply(call, JsonReply({{"id", id}, {"cancelled", true}}));
}

void Server::Impl::Sessions(Call& call) {
  const auto json = [](const SessionInfo& session) {
    return Json{{"name", session.name}, {"tokens", session.tokens}, {"bytes", session.bytes}};
  };
  if (call.request.method == "GET") {
    Json list = Json::array();
    for (const SessionInfo& session : scheduler.Sessions()) list.push_back(json(session));
    return Reply(call, JsonReply({{"object", "list"}, {"data", std::move(list)}}));
  }
  std::string name = call.suffix;
  if (call.request.method == "DELETE") {
    scheduler.DeleteSession(name);
    return Reply(call, JsonReply({{"name", name}, {"deleted", true}}));
  }
  const size_t slash = name.rfind('/');
  const std::string action = slash == std::string::npos ? "" : name.substr(slash + 1);
  if (action != "save" && action != "restore")
    throw ApiError(404, "", "sessions can be saved and restored: /v1/sessions/NAME/save");
  name.resize(slash);
  Reply(call, JsonReply(json(action == "save" ? scheduler.SaveSession(name) : scheduler.RestoreSession(name))));
}

void Server::Impl::Reload(Call& call) {
  const Json json = call.request.body.empty() ? Json::object() : Body(call);
  Fields body(json, "");
  const std::filesystem::path folder = body.String("path").value_or(options.model_folder.string());
  const std::string mode = body.Choice("mode", {"at_once", "finish_first"}).value_or("at_once");
  log->info("{} reloading weights from {}", call.id, folder.string());
  const int64_t version = scheduler.Reload(folder, mode == "at_once" ? ReloadMode::kAtOnce : ReloadMode::kFinishFirst);
  Reply(call, JsonReply({{"weights_version", version}, {"path", folder.string()}}));
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
  add("POST", "/admin/reload", [this](Call& call) { Reload(call); }).admin = true;
  add("GET", "/health", [this](Call& call) { Health(call); }).open = true;
  add("GET", "/", [this](Call& call) {
    Reply(call, {.status = 200,
                 .headers = {{"Content-Type", "text/html; charset=utf-8"},
                             {"Cache-Control", "no-cache"},
                             {"X-Content-Type-Options", "nosniff"},
                             {"Referrer-Policy", "no-referrer"},
                             {"Content-Security-Policy", WebPagePolicy({kWebPage, kWebPageSize})}},
                 .body = std::string(kWebPage, kWebPageSize)});
  }).open = true;
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
