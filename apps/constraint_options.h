// Options that make the output follow a grammar; for chat and generate.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "grammar/token_constraint.h"

namespace fulgur {

struct ConstraintOptions {
  std::string schema_file;
  bool object = false;

  void AddTo(CLI::App& app);
  // Null if none is asked for. The tokenizer must outlive it.
  std::shared_ptr<const TokenConstraint> For(const Tokenizer& tokenizer) const;
};

}  // namespace fulgur
