#include "apps/constraint_options.h"

#include <filesystem>

#include "base/json.h"
#include "grammar/json_schema.h"

namespace fulgur {

void ConstraintOptions::AddTo(CLI::App& app) {
  const char* group = "Form of the output (docs/constrained-output.md)";
  CLI::Option* schema =
      app.add_option("--json-schema", schema_file, "File with a JSON schema; the answer is JSON that fits it")
          ->check(CLI::ExistingFile)
          ->group(group);
  app.add_flag("--json-object", object, "The answer is a JSON object, whatever is in it")
      ->group(group)
      ->excludes(schema);
}

std::shared_ptr<const TokenConstraint> ConstraintOptions::For(const Tokenizer& tokenizer) const {
  if (schema_file.empty() && !object) return nullptr;
  const auto vocabulary = std::make_shared<const ConstraintVocabulary>(tokenizer);
  return std::make_shared<const TokenConstraint>(
      object ? JsonObjectGrammar() : JsonSchemaGrammar(ReadJsonFile(schema_file), schema_file), vocabulary);
}

}  // namespace fulgur
