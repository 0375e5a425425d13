// fulgur debug tokenize, detokenize, stream-decode: a tokenizer on JSON lines.
#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/json_lines.h"
#include "text/tokenizer.h"

namespace fulgur {
namespace {

std::vector<int32_t> Ids(const Json& line) {
  if (!line.is_object() || !line.contains("ids") || !line["ids"].is_array()) {
    throw Error("expected an object with a list \"ids\"");
  }
  std::vector<int32_t> ids;
  for (const Json& id : line["ids"]) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<uint64_t>() > INT32_MAX) {
      throw Error("ids[{}] is {}, which is not a token id", ids.size(), id.dump());
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

Json Tokenize(const Tokenizer& tokenizer, const Json& line) {
  const std::string text = JsonGet<std::string>(line, "text", "the line");
  std::vector<int32_t> ids = tokenizer.Encode(text, Tokenizer::Special::kRecognised);
  if (JsonGetOr<bool>(line, "add_special_tokens", true, "the line")) {
    ids.insert(ids.begin(), tokenizer.begin_ids().begin(), tokenizer.begin_ids().end());
    ids.insert(ids.end(), tokenizer.end_ids().begin(), tokenizer.end_ids().end());
  }
  return {{"text", text}, {"ids", ids}, {"ids_plain", tokenizer.Encode(text, Tokenizer::Special::kPlainText)}};
}

Json Detokenize(const Tokenizer& tokenizer, const Json& line) {
  const bool skip_special = JsonGetOr<bool>(line, "skip_special_tokens", false, "the line");
  return {{"text", tokenizer.Decode(Ids(line), skip_special)}};
}

Json StreamDecode(const Tokenizer& tokenizer, const Json& line) {
  StreamDecoder decoder(tokenizer, JsonGetOr<bool>(line, "skip_special_tokens", false, "the line"));
  Json chunks = Json::array();
  for (const int32_t id : Ids(line)) chunks.push_back(decoder.Push(id));
  return {{"chunks", std::move(chunks)}, {"flush", decoder.Flush()}};
}

void AddLineCommand(CLI::App& debug, const char* name, const char* description,
                    Json (*answer)(const Tokenizer&, const Json&)) {
  CLI::App* command = debug.add_subcommand(name, description);
  auto path = std::make_shared<std::string>();
  command->add_option("--tokenizer", *path, "A tokenizer.json, or the folder that holds one")->required();
  SetAction(*command, [path, answer] {
    const Tokenizer tokenizer = Tokenizer::FromFile(*path);
    AnswerJsonLines([&](const Json& line) { return answer(tokenizer, line); });
  });
}

}  // namespace

void AddDebugTokenizer(CLI::App& debug) {
  AddLineCommand(debug, "tokenize",
                 "Lines {\"text\", \"add_special_tokens\"} to {\"text\", \"ids\", \"ids_plain\"}: with added tokens "
                 "recognised and "
                 "those of the beginning and end, and as plain text",
                 Tokenize);
  AddLineCommand(debug, "detokenize", "Lines {\"ids\", \"skip_special_tokens\"} to {\"text\"}", Detokenize);
  AddLineCommand(debug, "stream-decode",
                 "Lines {\"ids\", \"skip_special_tokens\"} to {\"chunks\", \"flush\"}, one chunk for each id",
                 StreamDecode);
}

}  // namespace fulgur
