// fulgur chat: answers questions; in a terminal, a conversation.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "apps/chat_guide.h"
#include "apps/commands.h"
#include "apps/constraint_options.h"
#include "apps/interrupt.h"
#include "apps/line_reader.h"
#include "apps/option_checks.h"
#include "apps/sampling_options.h"
#include "apps/terminal_text.h"
#include "base/error.h"
#include "engine/conversation.h"
#include "text/output_format.h"
#include "text/output_parser.h"

namespace fulgur {
namespace {

enum class Thinking { kShow, kCollapse, kHide };

Thinking ThinkingMode(const std::string& name) {
  return name == "hide" ? Thinking::kHide : name == "collapse" ? Thinking::kCollapse : Thinking::kShow;
}

struct ChatOptions {
  std::string model;
  std::optional<std::string> prompt;
  std::string system;
  std::string thinking = "show";
  bool keep_thinking = false;
  bool json = false;
  int64_t logprobs = -1;
  ConstraintOptions constraint;
  SamplingOptions sampling;
};

// Where the answer goes.
struct Screen {
  bool terminal = false;
  bool styled = false;  // a terminal that obeys escape sequences, and nobody asked for none (no-color.org)

  static Screen Detect() {
    const auto variable = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value == nullptr ? "" : value);
    };
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    return {terminal, terminal && variable("NO_COLOR").empty() && variable("TERM") != "dumb"};
  }
};

constexpr const char* kDim = "\033[2m";
constexpr const char* kPlain = "\033[0m";

std::string Dimmed(const std::string& text, Screen screen) { return screen.styled ? kDim + text + kPlain : text; }

// What a model writes must not move the cursor or set colours: control characters other than line break and tab are
// left out (also those of U+0080 to U+009F, which some terminals obey).
std::string WithoutControls(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      ++i;
    } else if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t') {
      out += text[i];
    }
  }
  return out;
}

// Shows one answer as it comes: the thinking dimmed, counted or not at all, then the text.
class AnswerView {
 public:
  AnswerView(Thinking thinking, Screen screen) : thinking_(thinking), screen_(screen) {}

  // thinking_tokens: so far.
  void Push(std::string_view text, int64_t thinking_tokens) {
    thinking_tokens_ = thinking_tokens;
    if (mode_ == Mode::kUndecided) {
      // An output that does not begin with <think> has no thinking: show it at once.
      held_ += text;
      const size_t begin = held_.find_first_not_of(" \t\r\n");
      const std::string_view start = begin == std::string::npos ? "" : std::string_view(held_).substr(begin);
      if (start.size() < kThinkOpen.size() && kThinkOpen.substr(0, start.size()) == start) return;
      mode_ = start.substr(0, kThinkOpen.size()) == kThinkOpen ? Mode::kParsed : Mode::kRaw;
      const std::string all = std::exchange(held_, {});
      return Route(all);
    }
    Route(text);
  }

  void Finish() {
    if (mode_ == Mode::kUndecided) Content(held_);
    if (mode_ == Mode::kParsed) Show(parser_.Finish());
    CloseThinking();
    if (!at_line_start_) Print("\n");
  }

 private:
  enum class Mode { kUndecided, kParsed, kRaw };

  void Route(std::string_view text) {
    if (mode_ == Mode::kParsed) {
      Show(parser_.Push(text));
      if (thinking_ == Thinking::kCollapse && screen_.styled && !content_begun_) ShowCount();
    } else {
      Content(text);
    }
  }

  void Show(const StreamingOutputParser::Delta& delta) {
    if (!delta.reasoning.empty() && thinking_ == Thinking::kShow) {
      if (!thinking_open_) {
        Print(screen_.styled ? std::string(kDim) : fmt::format("{}\n", kThinkOpen));
        thinking_open_ = true;
      }
      Text(delta.reasoning);
    }
    if (!delta.content.empty()) Content(delta.content);
    for (const ToolCall& call : delta.tool_calls) {
      Content(fmt::format("\n[calls {} {}]", call.name, call.arguments.dump()));
    }
  }

  void ShowCount() {
    using Clock = std::chrono::steady_clock;
    if (Clock::now() - counted_ < std::chrono::milliseconds(100)) return;
    counted_ = Clock::now();
    Print("\r" + Dimmed(fmt::format("thinking: {} tokens", thinking_tokens_), screen_));
    at_line_start_ = false;
  }

  void CloseThinking() {
    if (std::exchange(closed_, true)) return;
    if (thinking_open_) Print(screen_.styled ? fmt::format("{}\n\n", kPlain) : fmt::format("\n{}\n\n", kThinkClose));
    if (thinking_ == Thinking::kCollapse && thinking_tokens_ > 0) {
      const std::string note = fmt::format("[thought for {} tokens]", thinking_tokens_);
      Print((screen_.styled ? "\r\033[K" : "") + Dimmed(note, screen_) + "\n\n");
    }
    at_line_start_ = true;
  }

  void Content(std::string_view text) {
    if (text.empty()) return;
    CloseThinking();
    content_begun_ = true;
    Text(text);
  }

  void Text(std::string_view text) {
    const std::string shown = screen_.terminal ? WithoutControls(text) : std::string(text);
    if (shown.empty()) return;
    at_line_start_ = shown.back() == '\n';
    Print(shown);
  }

  Thinking thinking_;
  Screen screen_;
  Mode mode_ = Mode::kUndecided;
  StreamingOutputParser parser_;
  std::string held_;
  bool thinking_open_ = false, closed_ = false, content_begun_ = false, at_line_start_ = true;
  int64_t thinking_tokens_ = 0;
  std::chrono::steady_clock::time_point counted_{};
};

class Chat {
 public:
  Chat(const ChatOptions& options, bool interactive)
      : options_(options),
        interactive_(interactive),
        exec_(options.sampling.threads),
        loaded_(LoadedModel::Load(options.model, exec_, options.sampling.kv_cache)),
        engine_(*loaded_.model, loaded_.tokenizer, options.sampling.ForEngine(1, loaded_.model->config())),
        conversation_(loaded_.tokenizer, loaded_.chat_template(), options.keep_thinking),
        sampling_(options.sampling.Sampling(loaded_.defaults, RandomSeed())),
        stopping_(options.sampling.Stopping(loaded_.defaults)),
        constraint_(options.constraint.For(loaded_.tokenizer)),
        system_(options.system) {
    stopping_.answer = StreamingOutputParser::Options{.thinks_first = true, .tool_calls = false};
    sampling_.top_logprobs = std::max<int64_t>(options.logprobs, 0);
    conversation_.Reset(system_);
  }

  // One question and its answer. False if Ctrl-C stopped it.
  bool Answer(const std::string& question) {
    GenerationRequest request = conversation_.Ask(question);
    request.sampling = sampling_;
    request.stopping = stopping_;
    request.constraint = constraint_;
    std::vector<OutputToken> tokens;
    std::string text;
    ThinkingTracker tracker(false);
    AnswerView view(ThinkingMode(options_.thinking), screen_);
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    Clock::time_point first = start;
    int64_t at_first = 0;  // tokens of the first pass
    double seconds = 0;
    OutputEnd end;
    const int64_t number = engine_.Submit(std::move(request), [&](const OutputEvent& event) {
      if (tokens.empty()) {
        first = Clock::now();
        at_first = static_cast<int64_t>(event.tokens.size());
      }
      for (const OutputToken& t : event.tokens) {
        tokens.push_back(t);
        tracker.Push(loaded_.tokenizer.IsSpecial(t.id) ? "" : loaded_.tokenizer.Bytes(t.id), t.sampled);
      }
      text += event.text;
      if (!options_.json) view.Push(event.text, tracker.tokens());
      if (event.end == nullptr) return;
      seconds = std::chrono::duration<double>(Clock::now() - start).count();
      conversation_.Answered(tokens, text, *event.end, event.state);
      end = *event.end;
    });
    {
      std::optional<HiddenKeys> hidden;
      if (interactive_) hidden.emplace();
      RunUntilInterrupted(engine_, number);
    }
    if (end.reason == FinishReason::kError) throw Error("{}", end.message);
    if (options_.json) {
      PrintJson(tokens, text, end, seconds);
    } else {
      view.Finish();
    }
    if (interactive_) PrintFigures(end, at_first, seconds - std::chrono::duration<double>(first - start).count());
    return end.reason != FinishReason::kCancelled;
  }

  void Converse() {
    CatchInterrupts(/*once=*/false);
    LineReader reader(HistoryPath());
    ChatGuide guide(options_.model, CountParameters(loaded_.model->config()).total);
    Tell(guide.Introduction());
    if (const std::string examples = guide.Examples(); !examples.empty()) {
      Tell("Three to try (/try 1 asks the first):");
      Tell(examples, ChatGuide::kIndent);
    }
    Tell("Type a question; /help lists the commands, Ctrl-D leaves.");
    for (;;) {
      ForgetInterrupt();
      bool interrupted = false;
      const std::optional<Message> message = ReadMessage(reader, &interrupted);
      if (interrupted) {
        Print(screen_.styled ? "\n\033[J" : "\n");  // the line may have had more rows
        continue;
      }
      if (!message) break;
      const std::string& text = message->text;
      if (text.find_first_not_of(" \t\r\n") == std::string::npos) continue;
      try {
        if (text.front() == '/' && !message->several_lines) {
          if (!Command(text, guide)) return;
        } else if (const std::string instead = guide.InPlaceOfModel(text); !instead.empty()) {
          Tell(instead);
        } else {
          Answer(text);
        }
      } catch (const Error& e) {  // a question too long, say: the conversation goes on
        Print(WrapWords(fmt::format("{}\n", e.what()), TerminalColumns()));
      }
    }
    Print("\n");
  }

 private:
  struct Message {
    std::string text;
    bool several_lines = false;  // or quoted: no command
  };

  // What the program says, in lines that fit.
  void Tell(const std::string& text, int indent = 0) const {
    std::string lines = WrapWords(text, TerminalColumns(), indent);
    if (!lines.empty() && lines.back() == '\n') lines.pop_back();
    Print(Dimmed(lines, screen_) + "\n");
  }

  // A line, or what was pasted; more lines after a backslash at the end of a line, or between """ and """.
  static std::optional<Message> ReadMessage(LineReader& reader, bool* interrupted) {
    std::optional<std::string> line = reader.Read("> ", interrupted);
    if (!line) return std::nullopt;
    constexpr std::string_view kQuotes = "\"\"\"";
    const bool quoted = line->compare(0, kQuotes.size(), kQuotes) == 0;
    Message message{quoted ? line->substr(kQuotes.size()) : *line, quoted};
    for (std::string& text = message.text;;) {
      const bool pasted = line->find('\n') != std::string::npos;
      message.several_lines |= pasted;
      if (quoted) {
        const size_t end = text.find(kQuotes);
        if (end != std::string::npos) {
          text.erase(end, kQuotes.size());  // what follows on the line belongs to the question
          return message;
        }
      } else {
        if (text.empty() || text.back() != '\\' || pasted) return message;
        text.pop_back();
      }
      line = reader.Read(". ", interrupted);
      if (!line) return std::nullopt;
      text += "\n" + *line;
      message.several_lines = true;
    }
  }

  // False: leave.
  bool Command(const std::string& line, ChatGuide& guide) {
    const std::string name = line.substr(0, line.find(' '));
    const size_t begin = line.find_first_not_of(' ', name.size());
    std::string argument = begin == std::string::npos ? "" : line.substr(begin);
    argument.erase(argument.find_last_not_of(' ') + 1);
    if (name == "/exit" || name == "/quit") return false;
    if (name == "/help") {
      Help();
    } else if (name == "/try") {
      if (argument.empty()) {
        guide.NextExamples();
        const std::string examples = guide.Examples();
        Tell(examples.empty() ? "there are no examples: this model's folder has no tasks.json" : examples,
             ChatGuide::kIndent);
      } else {
        Answer(guide.Example(argument));
      }
    } else if (name == "/reset") {
      conversation_.Reset(system_);
      Tell("the conversation is forgotten");
    } else if (name == "/system") {
      system_ = argument;
      conversation_.Reset(system_);
      Tell(system_.empty() ? "no system message from here on" : "a new conversation with this system message");
    } else if (name == "/budget") {
      SetBudget(argument);
    } else {
      Tell(fmt::format("there is no {}; /help lists the commands", name));
    }
    return true;
  }

  void Help() const {
    constexpr int kIndent = 14;
    for (const auto& [command, text] : std::initializer_list<std::pair<const char*, const char*>>{
             {"/try N", "ask example N; without N: show other examples"},
             {"/reset", "forget the conversation"},
             {"/system TEXT", "set the system message and forget the conversation; without TEXT: remove it"},
             {"/budget N", "at most N thinking tokens an answer; 0: no thinking; without N: no limit"},
             {"/exit", "leave (as Ctrl-D does)"},
         }) {
      Tell(fmt::format("{:<{}}{}", command, kIndent, text), kIndent);
    }
    Tell(
        "A line that ends in \\ goes on in the next; text between \"\"\" and \"\"\" may have many lines, and so may "
        "what "
        "is pasted.\nCtrl-C stops an answer.");
  }

  std::string BudgetText() const {
    if (!stopping_.thinking_budget) return "without limit";
    const int64_t n = *stopping_.thinking_budget;
    return fmt::format("{} thinking token{} an answer", n, n == 1 ? "" : "s");
  }

  void SetBudget(const std::string& argument) {
    if (argument.empty()) {
      stopping_.thinking_budget.reset();
      Tell("no limit for the thinking from here on");
      return;
    }
    int64_t budget = 0;
    const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), budget);
    if (error != std::errc() || end != argument.data() + argument.size() || budget < 0) {
      throw Error("the budget must be a number of tokens, not \"{}\"; it stays {}", argument, BudgetText());
    }
    stopping_.thinking_budget = budget;
    Tell(budget == 0 ? "answers come without thinking from here on"
                     : fmt::format("at most {} from here on", BudgetText()));
  }

  // at_first: tokens of the first pass, whose time is that of the prompt; seconds: after it.
  void PrintFigures(const OutputEnd& end, int64_t at_first, double seconds) const {
    std::string line = fmt::format("{} token{}", end.output_tokens, end.output_tokens == 1 ? "" : "s");
    if (end.output_tokens > at_first && seconds > 0) {
      line += fmt::format(", {:.1f} tokens/s", static_cast<double>(end.output_tokens - at_first) / seconds);
    }
    line += fmt::format(", context {}", end.prompt_tokens + end.output_tokens);
    if (engine_.max_context() < (int64_t{1} << 40)) line += fmt::format(" of {}", engine_.max_context());
    if (end.thinking_cut) line += ", thinking cut by the budget";
    if (end.reason == FinishReason::kCancelled) {
      line += ", stopped";
    } else if (end.reason != FinishReason::kStop) {
      line += fmt::format(", ended by {}", FinishReasonName(end.reason));
    }
    Tell("[" + line + "]");
  }

  void PrintJson(const std::vector<OutputToken>& tokens, const std::string& text, const OutputEnd& end,
                 double seconds) const {
    const ParsedOutput parsed = ParseOutput(text);
    Json json = {{"reasoning", parsed.reasoning}, {"content", parsed.content}, {"tool_calls", Json::array()}};
    for (const ToolCall& call : parsed.tool_calls) {
      json["tool_calls"].push_back({{"name", call.name}, {"arguments", call.arguments}});
    }
    json["seed"] = sampling_.seed;
    json.update(OutputJson(end, seconds));
    if (options_.logprobs >= 0) json["logprobs"] = LogprobsJson(loaded_.tokenizer, tokens);
    Print(JsonLine(json));
  }

  const ChatOptions& options_;
  bool interactive_;
  Screen screen_ = Screen::Detect();
  ExecContext exec_;
  LoadedModel loaded_;
  Engine engine_;
  Conversation conversation_;
  SamplingParams sampling_;
  StoppingRules stopping_;
  std::shared_ptr<const TokenConstraint> constraint_;
  std::string system_;
};

void RunChat(const ChatOptions& options) {
  const bool interactive = !options.prompt && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !options.json;
  if (interactive) return Chat(options, true).Converse();
  std::string prompt = PromptText(options.prompt);
  if (!options.prompt) {
    while (!prompt.empty() && (prompt.back() == '\n' || prompt.back() == '\r')) prompt.pop_back();
  }
  if (prompt.empty()) throw Error("there is no question: give --prompt, or write it to standard input");
  Chat chat(options, false);
  CatchInterrupts(/*once=*/true);
  if (!chat.Answer(prompt)) DieOfInterrupt();
}

}  // namespace

void AddChat(CLI::App& parent) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* app = parent.add_subcommand("chat", "Talk to a model; without a terminal: answer one question");
  AddModelOption(*app, options->model);
  app->add_option("--prompt", options->prompt,
                  "Answer this and exit (default without a terminal: standard input is the question)")
      ->check(Utf8Text());
  app->add_option("--system", options->system, "System message")->check(Utf8Text());
  app->add_option("--thinking", options->thinking, "Show it as it comes, collapse it to its length, or hide it")
      ->check(CLI::IsMember({"show", "collapse", "hide"}))
      ->capture_default_str();
  app->add_flag("--keep-thinking", options->keep_thinking, "Leave earlier answers' thinking in the conversation");
  CLI::Option* json = app->add_flag("--json", options->json, "Print the answer as one JSON object");
  app->add_option("--logprobs", options->logprobs,
                  "With --json: each token's log-probability and the N most likely tokens beside it")
      ->check(WholeNumber(0, 1000))
      ->needs(json);
  options->constraint.AddTo(*app);
  options->sampling.AddTo(*app);
  SetAction(*app, [options] { RunChat(*options); });
}

}  // namespace fulgur
