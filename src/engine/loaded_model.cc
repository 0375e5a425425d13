#include "engine/loaded_model.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"

namespace fulgur {

namespace {

Json ReadIfThere(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return Json::object();
  Json json = ReadJsonFile(path);
  if (!json.is_object()) throw Error("{}: must be a JSON object", path.string());
  return json;
}

void AddEos(const Json& json, const std::string& where, std::vector<int32_t>* ids) {
  if (!json.contains("eos_token_id") || json["eos_token_id"].is_null()) return;
  const Json& value = json["eos_token_id"];
  for (const Json& id : value.is_array() ? value : Json::array({value})) {
    if (!id.is_number_integer() || id < 0 || id > 0x7fffffff) {
      throw Error("{}: eos_token_id must be a token id or a list of them; found {}", where, value.dump());
    }
    ids->push_back(id.get<int32_t>());
  }
}

}  // namespace

void CheckEos(std::span<const int32_t> ids, int32_t eos, const Tokenizer& tokenizer, const std::string& where) {
  if (std::find(ids.begin(), ids.end(), eos) != ids.end()) return;
  throw Error(
      "{}: eos_token_id is {}, but in the tokenizer the end is \"{}\", which has id {}: with the two together an "
      "answer "
      "would never end. Set eos_token_id to {}; fulgur new-model does so with --tokenizer",
      where, fmt::join(ids, ", "), tokenizer.Bytes(eos), eos, eos);
}

std::optional<int32_t> EosToken(const std::filesystem::path& dir, const Tokenizer& tokenizer) {
  // A string, or an object with the string as "content".
  const Json config = ReadIfThere(dir / "tokenizer_config.json");
  std::string eos = "<end_of_sentence>";
  if (config.contains("eos_token")) {
    const Json& token = config["eos_token"];
    if (token.is_string()) eos = token.get<std::string>();
    if (token.is_object()) eos = JsonGetOr<std::string>(token, "content", eos, "eos_token of tokenizer_config.json");
  }
  return tokenizer.Id(eos);
}

GenerationDefaults GenerationDefaults::FromFolder(const std::filesystem::path& dir, const ModelConfig& config,
                                                  const Tokenizer& tokenizer) {
  GenerationDefaults d;
  const std::filesystem::path path = dir / "generation_config.json";
  const std::string where = path.string();
  const Json json = ReadIfThere(path);
  SamplingParams& s = d.sampling;
  s.temperature = JsonGetOr<double>(json, "temperature", 1, where);
  if (!JsonGetOr<bool>(json, "do_sample", true, where)) s.temperature = 0;
  s.top_p = JsonGetOr<double>(json, "top_p", 0.95, where);
  s.top_k = JsonGetOr<int64_t>(json, "top_k", 0, where);
  s.min_p = JsonGetOr<double>(json, "min_p", 0, where);
  s.repetition_penalty = JsonGetOr<double>(json, "repetition_penalty", 1, where);
  try {
    s.Validate();
  } catch (const Error& e) {
    throw Error("{}: {}", where, e.what());
  }

  AddEos(json, where, &d.stop_tokens);
  for (int64_t id : config.eos_token_ids) d.stop_tokens.push_back(static_cast<int32_t>(id));
  if (const std::optional<int32_t> eos = EosToken(dir, tokenizer)) {
    if (d.stop_tokens.empty()) d.stop_tokens.push_back(*eos);
    CheckEos(d.stop_tokens, *eos, tokenizer, dir.string());
  }
  std::sort(d.stop_tokens.begin(), d.stop_tokens.end());
  d.stop_tokens.erase(std::unique(d.stop_tokens.begin(), d.stop_tokens.end()), d.stop_tokens.end());
  return d;
}

LoadedModel LoadedModel::Load(const std::filesystem::path& dir, ExecContext& exec, std::optional<KvFormat> kv_format) {
  if (!std::filesystem::is_directory(dir)) {
    throw Error("{} is not a folder; a model is a folder with config.json, weights and tokenizer.json", dir.string());
  }
  // The tokenizer first: what is missing should not be found after minutes of loading weights.
  Tokenizer tokenizer = Tokenizer::FromFile(dir);
  std::optional<ChatTemplate> chat;
  const std::filesystem::path tokenizer_config = dir / "tokenizer_config.json";
  if (std::filesystem::exists(dir / "chat_template.jinja") || ReadIfThere(tokenizer_config).contains("chat_template")) {
    chat = ChatTemplate::FromFolder(dir);
  }
  const ModelConfig config = ModelConfig::FromFile(dir / "config.json");
  GenerationDefaults defaults = GenerationDefaults::FromFolder(dir, config, tokenizer);
  std::string key = WeightsKey(dir);  // before loading: weights that are replaced meanwhile then have another one
  std::unique_ptr<Model> model = Model::Load(dir, exec);
  model->set_kv_format(kv_format.value_or(model->usual_kv_format()));
  key += fmt::format("-{}", KvFormatName(model->kv_format()));
  return {std::move(model), std::move(tokenizer), std::move(chat), std::move(defaults), dir, std::move(key)};
}

std::string WeightsKey(const std::filesystem::path& dir) {
  const std::string config = ReadFile(dir / "config.json");
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    if (file.path().extension() != ".safetensors") continue;
    files.push_back(fmt::format("{} {} {}", file.path().filename().string(), file.file_size(),
                                file.last_write_time().time_since_epoch().count()));
  }
  std::sort(files.begin(), files.end());
  uint64_t key = 0;
  const auto add = [&](const std::string& text) {
    for (const char c : text) key = Mix(key, static_cast<unsigned char>(c));
  };
  add(config);
  for (const std::string& file : files) add("\n" + file);
  return fmt::format("{:016x}", key);
}

const ChatTemplate& LoadedModel::chat_template() const {
  if (!chat) throw Error("the model has no chat template (chat_template in tokenizer_config.json)");
  return *chat;
}

}  // namespace fulgur
