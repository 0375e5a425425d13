// Prints the log-probability of each token of a text, given those before it, and the text's perplexity.
//   score models/nano '4 + 5 = 9'
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

#include "engine/generation.h"
#include "engine/loaded_model.h"

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: score MODEL TEXT\n");
    return 2;
  }
  fulgur::ExecContext exec;
  fulgur::LoadedModel loaded = fulgur::LoadedModel::Load(argv[1], exec, fulgur::KvFormat::kF32);
  fulgur::Engine engine(*loaded.model, loaded.tokenizer);

  fulgur::GenerationRequest request;
  request.prompt = loaded.tokenizer.EncodePrompt(argv[2]);
  request.prompt_logprobs = true;
  request.stopping.max_tokens = 1;  // an output is one token at least; nothing is made of it here
  double sum = 0;
  int tokens = 0;
  engine.Submit(request, [&](const fulgur::OutputEvent& event) {
    for (const fulgur::OutputToken& token : event.prompt) {
      if (!token.sampled) continue;  // the first: there is nothing before it
      std::printf("%9.4f  %s\n", token.logprob, fulgur::Json(loaded.tokenizer.Bytes(token.id)).dump().c_str());
      sum += token.logprob;
      ++tokens;
    }
  });
  engine.Run();
  if (tokens == 0) throw fulgur::Error("the text has one token: there is nothing to predict");
  std::printf("perplexity %.4f of %d tokens\n", std::exp(-sum / tokens), tokens);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "score: %s\n", e.what());
  return 1;
}
