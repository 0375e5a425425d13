// Asks a model a question and prints the answer while it is written.
//   generate models/nano 'What is 17 + 25? Put the answer in \boxed{}.'
#include <cstdio>
#include <exception>
#include <string>

#include "engine/generation.h"
#include "engine/loaded_model.h"

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: generate MODEL QUESTION\n");
    return 2;
  }
  fulgur::ExecContext exec;  // threads and scratch memory: one thread a processor
  fulgur::LoadedModel loaded = fulgur::LoadedModel::Load(argv[1], exec);
  fulgur::Engine engine(*loaded.model, loaded.tokenizer);

  const fulgur::Json messages = {{{"role", "user"}, {"content", argv[2]}}};
  fulgur::GenerationRequest request;
  request.prompt = loaded.chat_template().Encode(loaded.tokenizer, messages, nullptr, /*add_generation_prompt=*/true);
  request.sampling = loaded.defaults.sampling;
  request.sampling.temperature = 0;  // the most likely token, always
  request.stopping.stop_tokens = loaded.defaults.stop_tokens;
  request.stopping.max_tokens = 2048;

  std::string error;
  engine.Submit(request, [&](const fulgur::OutputEvent& event) {
    std::fwrite(event.text.data(), 1, event.text.size(), stdout);
    std::fflush(stdout);
    if (event.end && event.end->reason == fulgur::FinishReason::kError) error = event.end->message;
  });
  engine.Run();
  std::printf("\n");
  if (!error.empty()) throw fulgur::Error("{}", error);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "generate: %s\n", e.what());
  return 1;
}
