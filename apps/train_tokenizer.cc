// fulgur train-tokenizer: a byte-level BPE vocabulary from text files.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/option_checks.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/records.h"
#include "text/bpe_trainer.h"

namespace fulgur {
namespace {

struct Options {
  std::vector<std::string> corpus;
  std::string out, config_from;
  BpeTrainerOptions trainer;
  bool single_digits = false, json = false;
};

// Every text in what a message says: a string, or the texts of parts.
void AddContent(const Json& content, BpeTrainer* trainer) {
  if (content.is_string()) trainer->Add(content.get_ref<const std::string&>());
  if (!content.is_array()) return;
  for (const Json& part : content) {
    if (part.is_object() && part.contains("text")) AddContent(part["text"], trainer);
  }
}

// The texts of a record of training data: "text", or what "messages" say and think.
void AddRecord(const Json& record, const std::string& where, BpeTrainer* trainer) {
  if (record.contains("text")) return trainer->Add(JsonGet<std::string>(record, "text", where));
  if (!record.contains("messages") || !record["messages"].is_array()) {
    throw Error("{}: expected an object with \"text\" or \"messages\"", where);
  }
  for (const Json& message : record["messages"]) {
    if (!message.is_object()) throw Error("{}: a message must be an object", where);
    for (const char* key : {"reasoning_content", "reasoning", "thinking", "content"}) {
      if (message.contains(key)) AddContent(message[key], trainer);
    }
  }
}

void AddFile(const std::string& path, BpeTrainer* trainer) {
  const Records records(path, "");
  for (size_t i = 0; i < records.size(); ++i) AddRecord(records.Get(i), records.Where(i), trainer);
}

// What loaders need besides tokenizer.json, when there is no file to take it from.
std::string PlainConfig() {
  const Json config = {{"add_prefix_space", false},
                       {"bos_token", "<beginning_of_sentence>"},
                       {"clean_up_tokenization_spaces", false},
                       {"eos_token", "<end_of_sentence>"},
                       {"tokenizer_class", "PreTrainedTokenizerFast"},
                       {"unk_token", "<end_of_document>"}};
  return config.dump(2) + "\n";
}

void Run(Options options) {
  std::string config = PlainConfig();
  if (!options.config_from.empty()) {
    config = ReadFile(options.config_from);
    ParseJson(config, options.config_from);
  }
  if (options.single_digits) options.trainer.pattern = kO200kSingleDigitsPattern;
  options.trainer.added_tokens = M1AddedTokens();
  BpeTrainer trainer(options.trainer);
  {
    ProgressBar progress("counting words", static_cast<int64_t>(options.corpus.size()), "files");
    int64_t done = 0;
    for (const std::string& path : options.corpus) {
      AddFile(path, &trainer);
      progress.Update(++done);
    }
  }
  const auto merges = trainer.Train();
  const std::filesystem::path out = options.out;
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) throw Error("{}: cannot make the folder: {}", out.string(), error.message());
  WriteFileAtomic(out / "tokenizer.json", trainer.TokenizerJson(merges));
  WriteFileAtomic(out / "tokenizer_config.json", config);

  const size_t plain = 256 + merges.size(), all = plain + options.trainer.added_tokens.size();
  if (options.json) {
    std::puts(Json{{"out", options.out}, {"merges", merges.size()}, {"plain_tokens", plain}, {"vocab_size", all}}
                  .dump()
                  .c_str());
    return;
  }
  fmt::print("{}: {} merges, {} plain tokens, {} with the added ones\n", options.out, merges.size(), plain, all);
  if (static_cast<int64_t>(merges.size()) < options.trainer.merges) {
    fmt::print("fewer merges than the {} asked for: no other pair occurs twice in the corpus\n",
               options.trainer.merges);
  }
}

}  // namespace

void AddTrainTokenizer(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train-tokenizer", "Train a byte-level BPE vocabulary in the layout of M1's");
  auto options = std::make_shared<Options>();
  command
      ->add_option("corpus", options->corpus,
                   "Files, folders or globs of .txt, .md and .jsonl (\"text\" or \"messages\"), also .gz and .zst")
      ->required();
  command->add_option("--out", options->out, "Folder for tokenizer.json and tokenizer_config.json")->required();
  command->add_option("--merges", options->trainer.merges, "How many tokens to make beyond the 256 bytes")
      ->check(WholeNumber(0))
      ->required();
  command->add_flag("--single-digits", options->single_digits, "Every digit is a token of its own");
  command->add_option("--max-token-bytes", options->trainer.max_token_bytes, "Length limit of a token")
      ->check(WholeNumber(1))
      ->capture_default_str();
  command->add_option("--config-from", options->config_from,
                      "A tokenizer_config.json to copy (it carries the chat template)");
  command->add_flag("--json", options->json, "Print the result as JSON");
  SetAction(*command, [options] { Run(*options); });
}

}  // namespace fulgur
