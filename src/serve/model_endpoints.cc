// Endpoints for clients that generate nothing: models, tokens, kept responses, examples.
#include <utility>

#include "serve/fields.h"
#include "serve/server_impl.h"

namespace fulgur {

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

void Server::Impl::Examples(Call& call) {
  Json list = Json::array();
  for (const ServerExample& example : options.examples) {
    list.push_back({{"task", example.task}, {"about", example.about}, {"prompt", example.prompt}});
  }
  Reply(call, JsonReply({{"object", "list"}, {"data", std::move(list)}}));
}

}  // namespace fulgur
