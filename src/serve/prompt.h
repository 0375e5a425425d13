// From a request as an API has it to one for the scheduler.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/scheduler.h"
#include "grammar/token_constraint.h"
#include "serve/answer.h"
#include "serve/request.h"

namespace fulgur {

// Grammars that requests ask for; the last ones used are kept, as clients send the same schema again and again.
// Thread-safe.
class Constraints {
 public:
  explicit Constraints(const Tokenizer& tokenizer);
  // What the request's answer has to be; null if that is any text. Throws ApiError (400) naming the field for a schema
  // that cannot be followed.
  std::shared_ptr<const TokenConstraint> For(const ApiRequest& request);

 private:
  std::shared_ptr<const TokenConstraint> Make(const ApiRequest& request, const std::string& kind) const;

  std::shared_ptr<const ConstraintVocabulary> vocabulary_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<const TokenConstraint>>>
      kept_;  // by what they are of; last used first
};

struct PreparedRequest {
  std::vector<ScheduledRequest> prompts;         // one, or as many as a text completion has
  std::optional<AnswerReader::Options> reading;  // of the answers; none for text completions
  int64_t prompt_tokens = 0;                     // of all prompts
};

// The ids of a chat's prompt, with the beginning of the answer: the request's, or an empty thinking if there is to be
// none.
std::vector<int32_t> ChatPrompt(const ApiRequest& request, const LoadedModel& loaded,
                                AnswerReader::Options::Start* start);

// seed: if the request has none. Throws ApiError (400): too long for the context, no chat template, ...
PreparedRequest Prepare(const ApiRequest& request, const LoadedModel& loaded, Constraints& constraints,
                        int64_t max_context, uint64_t seed);

}  // namespace fulgur
