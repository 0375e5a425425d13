// What `fulgur chat` tells about a model before anything is asked: what it can do, with examples, and what it cannot.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "apps/example_problems.h"

namespace fulgur {

class ChatGuide {
 public:
  // parameters: of the model. One that was trained on tasks and is small (below 100 million) can do nothing else.
  ChatGuide(const std::filesystem::path& model, int64_t parameters);

  // What the model can do; its name alone if nothing is known.
  std::string Introduction() const;
  // Three problems to try, each after its "/try N ", which kIndent columns are. Empty if there are none.
  std::string Examples() const;
  static constexpr int kIndent = 7;
  // From now on the next three.
  void NextExamples();
  // The example that was shown with this number, 1 to 3. Throws Error.
  const std::string& Example(std::string_view number) const;

  // What to say in place of the model to a question that is no problem, such as "hello", if the model can solve
  // problems only; else nothing. Who sends the same again wants the model's own answer, then and from then on.
  std::string InPlaceOfModel(const std::string& question);

 private:
  std::string name_;
  bool only_tasks_;
  std::vector<ExampleProblem> examples_;  // of three that are shown together, each is of another task if it can be
  size_t first_ = 0;                      // of those shown
  std::string refused_;                   // the question that was not put to the model
};

}  // namespace fulgur
