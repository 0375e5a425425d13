#include "engine/conversation.h"

#include <gtest/gtest.h>

#include "engine/test_util.h"

namespace fulgur {
namespace {

using testing_engine::kEndOfSentence;
using testing_engine::SmallModel;
using testing_engine::SmallTokenizer;

constexpr const char* kTemplate =
    "{{ '<begin_of_document>' }}{% for m in messages %}{{ '<beginning_of_sentence>' + m['role'] + '\\n' }}"
    "{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{{ '<end_of_sentence>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<beginning_of_sentence>assistant\\n' }}{% endif %}";

class ConversationTest : public ::testing::Test {
 protected:
  ExecContext exec_{1};
  std::unique_ptr<Model> model_ = SmallModel(exec_);
  Tokenizer tokenizer_ = SmallTokenizer();
  ChatTemplate chat_ = ChatTemplate::FromSource(kTemplate, Json::object(), "the test's template");

  struct Turn {
    std::vector<OutputToken> tokens;
    std::string text;
    int64_t prompt_tokens = 0, reused = 0;
  };
  // reuse: with the state that the conversation has kept.
  Turn Answer(Conversation& conversation, const std::string& question, bool reuse, int64_t budget, uint64_t seed) {
    Engine engine(*model_, tokenizer_, {.max_batch = 1});
    GenerationRequest request = conversation.Ask(question);
    if (!reuse) request.state.reset();
    request.sampling.seed = seed;
    request.stopping.max_tokens = 90;
    request.stopping.stop_tokens = {kEndOfSentence};
    request.stopping.thinking_budget = budget;
    Turn turn;
    engine.Submit(request, [&](const OutputEvent& e) {
      turn.tokens.insert(turn.tokens.end(), e.tokens.begin(), e.tokens.end());
      turn.text += e.text;
      if (e.end == nullptr) return;
      turn.prompt_tokens = e.end->prompt_tokens;
      turn.reused = e.end->reused_tokens;
      conversation.Answered(turn.tokens, turn.text, *e.end, e.state);
    });
    engine.Run();
    return turn;
  }
};

TEST_F(ConversationTest, KeptStatesChangeNothingButTheWork) {
  for (bool keep_thinking : {false, true}) {
    SCOPED_TRACE(keep_thinking);
    Conversation kept(tokenizer_, chat_, keep_thinking), fresh(tokenizer_, chat_, keep_thinking);
    kept.Reset("Be brief.");
    fresh.Reset("Be brief.");
    int64_t before = 1;
    for (uint64_t turn = 0; turn < 4; ++turn) {
      const std::string question = "question " + std::string(turn * 20, 'x');
      const Turn a = Answer(kept, question, true, 0, turn), b = Answer(fresh, question, false, 0, turn);
      EXPECT_EQ(a.tokens, b.tokens);
      EXPECT_EQ(a.text, b.text);
      EXPECT_EQ(b.reused, 0);
      // The last prompt is not read again (its last token may be, should it join what follows).
      EXPECT_GE(a.reused, before - 1);
      before = a.prompt_tokens;
    }
    EXPECT_EQ(kept.messages(), fresh.messages());
    EXPECT_EQ(kept.messages().size(), 9u);
    const std::string answer = kept.messages()[2]["content"];
    EXPECT_EQ(answer.find("</think>") != std::string::npos, keep_thinking);
  }
}

TEST_F(ConversationTest, AQuestionWithoutAnswerIsReplaced) {
  Conversation a(tokenizer_, chat_), b(tokenizer_, chat_);
  a.Ask("never answered");
  EXPECT_EQ(a.Ask("hello").prompt, b.Ask("hello").prompt);
  EXPECT_TRUE(a.messages().empty());
}

TEST_F(ConversationTest, ResetForgets) {
  Conversation a(tokenizer_, chat_), b(tokenizer_, chat_);
  Answer(a, "first", true, 0, 1);
  a.Reset("");
  const GenerationRequest request = a.Ask("hello");
  EXPECT_EQ(request.prompt, b.Ask("hello").prompt);
  EXPECT_FALSE(request.state.has_value());
}

}  // namespace
}  // namespace fulgur
