// fulgur bench serve: load on a running server. Requests arrive at random (a Poisson process), whether or not earlier
// ones have been answered, as they do from people who do not know of each other.
#include <fmt/format.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace fulgur {
namespace {

using Clock = std::chrono::steady_clock;

struct LoadOptions {
  std::string url;
  std::string key, model;
  int64_t requests = 100, in_flight = 512, max_tokens = 128, shared = 0;
  bool ignore_eos = false;
  double rate = 4, vanish = 0;
  double first_limit = 1, between_limit = 0.1;  // seconds: what counts for goodput
  std::optional<double> temperature;
  std::string prompts;
  uint64_t seed = 1;
  bool json = false;
};

struct Outcome {
  int status = 0;  // 0: no answer
  bool complete = false, vanished = false;
  double first = -1, total = 0, mean_between = 0;
  std::vector<double> between;
  int64_t output_tokens = 0, prompt_tokens = 0, cached_tokens = 0;
};

double Seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// Server-sent events out of pieces of a stream.
class EventReader {
 public:
  template <typename Take>
  void Push(std::string_view piece, Take take) {
    text_ += piece;
    for (size_t end; (end = text_.find("\n\n")) != std::string::npos; text_.erase(0, end + 2)) {
      constexpr std::string_view kData = "data: ";
      const std::string_view event = std::string_view(text_).substr(0, end);
      if (event.starts_with(kData)) take(event.substr(kData.size()));
    }
  }

 private:
  std::string text_;
};

class Load {
 public:
  explicit Load(const LoadOptions& options) : o_(options), outcomes_(static_cast<size_t>(options.requests)) {
    std::string rest = o_.url;
    if (rest.find("://") == std::string::npos) rest = "http://" + rest;
    const size_t slash = rest.find('/', rest.find("://") + 3);
    host_ = rest.substr(0, slash);
    if (slash != std::string::npos) base_ = rest.substr(slash);
    while (!base_.empty() && base_.back() == '/') base_.pop_back();
    if (base_.ends_with("/v1")) base_.resize(base_.size() - 3);
    if (!o_.prompts.empty()) ReadPrompts();
  }

  void Run() {
    Check();
    // When each request arrives, and what it says, is settled beforehand: the same seed is the same load.
    std::mt19937_64 random(o_.seed);
    std::exponential_distribution<double> gap(o_.rate > 0 ? o_.rate : 1);
    std::uniform_real_distribution<double> unit(0, 1);
    std::vector<std::thread> threads;
    start_ = Clock::now();
    double at = 0;
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      if (o_.rate > 0) at += gap(random);
      const std::string body = Body(random).dump();
      // Vanishing: after a share of the answer, at a random moment.
      const double vanish_after = unit(random) < o_.vanish ? 2 * unit(random) : -1;
      std::this_thread::sleep_until(start_ +
                                    std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at)));
      while (in_flight_ >= o_.in_flight) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++in_flight_;
      most_in_flight_ = std::max<int64_t>(most_in_flight_, in_flight_);
      threads.emplace_back([this, i, body, vanish_after] {
        Request(body, vanish_after, &outcomes_[i]);
        --in_flight_;
      });
    }
    for (std::thread& thread : threads) thread.join();
    seconds_ = Seconds(Clock::now() - start_);
  }

  Json Report() const {
    std::map<std::string, int64_t> statuses;
    int64_t complete = 0, vanished = 0, good = 0, output = 0, prompt = 0, cached = 0;
    std::vector<double> first, between, total;
    for (const Outcome& outcome : outcomes_) {
      if (outcome.vanished) {
        ++vanished;
        continue;
      }
      if (!outcome.complete) {
        ++statuses[outcome.status == 0     ? "no answer"
                   : outcome.status == 200 ? "cut off"
                                           : std::to_string(outcome.status)];
        continue;
      }
      ++complete;
      output += outcome.output_tokens;
      prompt += outcome.prompt_tokens;
      cached += outcome.cached_tokens;
      first.push_back(outcome.first);
      total.push_back(outcome.total);
      between.insert(between.end(), outcome.between.begin(), outcome.between.end());
      good += outcome.first <= o_.first_limit && outcome.mean_between <= o_.between_limit;
    }
    Json failed = Json::object();
    for (const auto& [status, count] : statuses) failed[status] = count;
    return {{"url", host_},
            {"rate", o_.rate},
            {"requests", o_.requests},
            {"completed", complete},
            {"vanished", vanished},
            {"failed", std::move(failed)},
            {"seconds", seconds_},
            {"most_in_flight", most_in_flight_},
            {"requests_per_second", static_cast<double>(complete) / seconds_},
            {"output_tokens_per_second", static_cast<double>(output) / seconds_},
            {"output_tokens", output},
            {"prompt_tokens", prompt},
            {"cached_tokens", cached},
            {"goodput_requests_per_second", static_cast<double>(good) / seconds_},
            {"goodput_limits", {{"first_token_seconds", o_.first_limit}, {"between_tokens_seconds", o_.between_limit}}},
            {"first_token_seconds", Percentiles(first)},
            {"between_tokens_seconds", Percentiles(between)},
            {"request_seconds", Percentiles(total)}};
  }

 private:
  void ReadPrompts() {
    const std::string text = ReadFile(o_.prompts);
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      if (end > begin) prompts_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    if (prompts_.empty()) throw Error("{}: holds no prompt; there must be one a line", o_.prompts);
  }

  std::unique_ptr<httplib::Client> Connect() const {
    auto client = std::make_unique<httplib::Client>(host_);
    if (!client->is_valid()) throw Error("\"{}\" is not an address like http://127.0.0.1:8080", o_.url);
    client->enable_server_certificate_verification(false);
    client->set_connection_timeout(30, 0);
    client->set_read_timeout(600, 0);
    client->set_tcp_nodelay(true);
    return client;
  }

  httplib::Headers Headers() const {
    httplib::Headers headers;
    if (!o_.key.empty()) headers.emplace("Authorization", "Bearer " + o_.key);
    return headers;
  }

  // One question before the load: is there a server, and does it let us in?
  void Check() {
    const auto client = Connect();
    const httplib::Result result = client->Get((base_ + "/v1/models").c_str(), Headers());
    if (!result) {
      const bool refused = result.error() == httplib::Error::Connection;
      throw Error("{} does not answer: {}", host_, refused ? "cannot connect" : httplib::to_string(result.error()));
    }
    if (result->status != 200) throw Error("{} answers {}: {}", host_, result->status, result->body.substr(0, 300));
    if (o_.model.empty()) {
      const Json models = ParseJson(result->body, host_ + "/v1/models");
      if (!models.is_object() || !models.contains("data") || models["data"].empty())
        throw Error("{} has no model", host_);
      model_ = JsonGet<std::string>(models["data"][0], "id", host_ + "/v1/models");
    } else {
      model_ = o_.model;
    }
  }

  Json Body(std::mt19937_64& random) const {
    std::uniform_int_distribution<int> number(100, 9999);
    std::string prompt;
    if (prompts_.empty()) {
      prompt = fmt::format("What is {} + {}? Put the answer in \\boxed{{}}.", number(random), number(random));
    } else {
      prompt = prompts_[random() % prompts_.size()];
    }
    Json messages = Json::array();
    if (o_.shared > 0) {
      std::string text = "Numbers to remember:";
      for (int64_t i = 0; i < o_.shared; ++i) text += fmt::format(" {}", (i * 7919 + 13) % 9973);
      messages.push_back({{"role", "system"}, {"content", text}});
    }
    messages.push_back({{"role", "user"}, {"content", prompt}});
    Json body = {{"model", model_},
                 {"messages", std::move(messages)},
                 {"max_tokens", o_.max_tokens},
                 {"ignore_eos", o_.ignore_eos},
                 {"seed", static_cast<int64_t>(random() >> 33)},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}}};
    if (o_.temperature) body["temperature"] = *o_.temperature;
    return body;
  }

  void Request(const std::string& body, double vanish_after, Outcome* outcome) const {
    const Clock::time_point start = Clock::now();
    Clock::time_point last = start;
    EventReader events;
    try {
      const auto client = Connect();
      httplib::Request request;
      request.method = "POST";
      request.path = base_ + "/v1/chat/completions";
      request.headers = Headers();
      request.headers.emplace("Content-Type", "application/json");
      request.body = body;
      request.response_handler = [&](const httplib::Response& response) {
        outcome->status = response.status;
        return true;
      };
      request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
        const Clock::time_point now = Clock::now();
        if (outcome->status != 200) return true;
        if (vanish_after >= 0 && Seconds(now - start) >= vanish_after) {
          outcome->vanished = true;
          return false;
        }
        events.Push(std::string_view(data, size), [&](std::string_view event) {
          if (event == "[DONE]") {
            outcome->complete = true;
            return;
          }
          const Json json = ParseJson(event, "an event");
          if (json.contains("usage") && json["usage"].is_object()) {
            const Json& usage = json["usage"];
            outcome->output_tokens = JsonGetOr<int64_t>(usage, "completion_tokens", 0, "usage");
            outcome->prompt_tokens = JsonGetOr<int64_t>(usage, "prompt_tokens", 0, "usage");
            if (usage.contains("prompt_tokens_details")) {
              outcome->cached_tokens = JsonGetOr<int64_t>(usage["prompt_tokens_details"], "cached_tokens", 0, "usage");
            }
          }
          if (!json.contains("choices") || json["choices"].empty()) return;
          const Json& choice = json["choices"][0];
          if (!choice.contains("delta") || (choice.contains("finish_reason") && !choice["finish_reason"].is_null()))
            return;
          bool text = false;
          for (const auto& [key, value] : choice["delta"].items())
            text |= key != "role" && !value.empty() && value != "";
          if (!text) return;
          if (outcome->first < 0) {
            outcome->first = Seconds(now - start);
          } else {
            outcome->between.push_back(Seconds(now - last));
          }
          last = now;
        });
        return true;
      };
      const httplib::Result result = client->send(request);
      if (result) outcome->status = result->status;
    } catch (const std::exception&) {
      outcome->complete = false;
    }
    outcome->total = Seconds(Clock::now() - start);
    if (outcome->first < 0) outcome->first = outcome->total;  // nothing but an end
    if (outcome->output_tokens > 1) {
      outcome->mean_between = (outcome->total - outcome->first) / static_cast<double>(outcome->output_tokens - 1);
    }
  }

  static Json Percentiles(std::vector<double> values) {
    if (values.empty()) return nullptr;
    std::sort(values.begin(), values.end());
    const auto at = [&](double share) {
      return values[static_cast<size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1];
    };
    double sum = 0;
    for (const double value : values) sum += value;
    return {{"mean", sum / static_cast<double>(values.size())},
            {"p50", at(0.5)},
            {"p90", at(0.9)},
            {"p99", at(0.99)},
            {"max", values.back()}};
  }

  const LoadOptions& o_;
  std::string host_, base_, model_;
  std::vector<std::string> prompts_;
  std::vector<Outcome> outcomes_;
  std::atomic<int64_t> in_flight_{0};
  int64_t most_in_flight_ = 0;
  Clock::time_point start_;
  double seconds_ = 0;
};

void PrintReport(const Json& report) {
  fmt::print("{} of {} requests completed in {:.1f} s", report["completed"].get<int64_t>(),
             report["requests"].get<int64_t>(), report["seconds"].get<double>());
  if (report["vanished"] > 0) fmt::print(", {} vanished", report["vanished"].get<int64_t>());
  for (const auto& [status, count] : report["failed"].items())
    fmt::print(", {} failed ({})", count.get<int64_t>(), status);
  fmt::print("\n{:.2f} requests/s, {:.0f} output tokens/s, at most {} at a time\n",
             report["requests_per_second"].get<double>(), report["output_tokens_per_second"].get<double>(),
             report["most_in_flight"].get<int64_t>());
  fmt::print("goodput {:.2f} requests/s (first token within {} s, then one every {} s)\n\n",
             report["goodput_requests_per_second"].get<double>(),
             report["goodput_limits"]["first_token_seconds"].get<double>(),
             report["goodput_limits"]["between_tokens_seconds"].get<double>());
  fmt::print("{:<24} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "milliseconds", "mean", "p50", "p90", "p99", "max");
  for (const auto& [key, label] : {std::pair("first_token_seconds", "to the first token"),
                                   {"between_tokens_seconds", "between tokens"},
                                   {"request_seconds", "whole request"}}) {
    const Json& p = report[key];
    if (p.is_null()) continue;
    const auto ms = [&](const char* name) { return 1000 * p[name].get<double>(); };
    fmt::print("{:<24} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f}\n", label, ms("mean"), ms("p50"), ms("p90"),
               ms("p99"), ms("max"));
  }
}

}  // namespace

void AddBenchServe(CLI::App& bench) {
  const auto options = std::make_shared<LoadOptions>();
  LoadOptions& o = *options;
  CLI::App* app =
      bench.add_subcommand("serve", "Load on a running server: times to the first token and between tokens");
  app->add_option("url", o.url, "Of the server, like http://127.0.0.1:8080")->required();
  app->add_option("--requests", o.requests, "How many")->check(WholeNumber(1, 1000000))->capture_default_str();
  app->add_option("--rate", o.rate, "Arrivals a second, on average; 0: all at once")
      ->check(Number(0, 1e6))
      ->capture_default_str();
  app->add_option("--in-flight", o.in_flight, "Most at a time; arrivals wait beyond that")
      ->check(WholeNumber(1, 100000))
      ->capture_default_str();
  app->add_option("--max-tokens", o.max_tokens, "Of an answer")->check(WholeNumber(1))->capture_default_str();
  app->add_flag("--ignore-eos", o.ignore_eos, "Answers go on to --max-tokens");
  app->add_option("--temperature", o.temperature, "Of the requests (default: the server's)")->check(Number(0, 1000));
  app->add_option("--prompts", o.prompts, "File of prompts, one a line (default: sums)")->check(CLI::ExistingFile);
  app->add_option("--shared", o.shared, "Numbers in a system prompt that all requests share")
      ->check(WholeNumber(0, 1000000))
      ->capture_default_str();
  app->add_option("--vanish", o.vanish, "Share of clients that go away within two seconds")
      ->check(Number(0, 1))
      ->capture_default_str();
  app->add_option("--first-token-limit", o.first_limit, "Seconds; later answers do not count for goodput")
      ->check(Number(0, 1e6))
      ->capture_default_str();
  app->add_option("--between-tokens-limit", o.between_limit, "Seconds, the mean of an answer; likewise")
      ->check(Number(0, 1e6))
      ->capture_default_str();
  app->add_option("--api-key", o.key, "For the server")->envname("FULGUR_API_KEY");
  app->add_option("--model", o.model, "Name of the model (default: the server's first)");
  app->add_option("--seed", o.seed, "Of arrivals and prompts")->check(Seed())->capture_default_str();
  app->add_flag("--json", o.json, "Print one JSON object");
  SetAction(*app, [options] {
    Load load(*options);
    load.Run();
    const Json report = load.Report();
    if (options->json) {
      fmt::print("{}\n", report.dump(2));
    } else {
      PrintReport(report);
    }
  });
}

}  // namespace fulgur
