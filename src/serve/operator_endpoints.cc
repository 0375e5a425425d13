// Endpoints for whoever runs the server: health, metrics, what is running, sessions, other weights.
#include <map>
#include <utility>

#include "serve/fields.h"
#include "serve/server_impl.h"

namespace fulgur {

void Server::Impl::Health(Call& call) {
  const bool ok = !draining;
  Reply(call, JsonReply({{"status", ok ? "ok" : "draining"},
                         {"model", options.model_names.front()},
                         {"version", options.version},
                         {"weights_version", scheduler.weights_version()},
                         {"max_context", scheduler.max_context()}},
                        ok ? 200 : 503));
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
  std::map<int64_t, std::pair<std::string, std::string>> names;
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

}  // namespace fulgur
