// Model output to reasoning, content and tool calls.
//
// The model writes <think>, its reasoning, </think>, then an answer and/or <tool_calls>, one JSON object a line with
// name and arguments, </tool_calls>. The rules, for what it may write instead:
// 1. The first <think> before any <tool_calls> opens the reasoning, which ends at the next </think> or at the end of the
//    output; the text before it is content. With only a </think> (and no <tool_calls> before it) everything before it
//    is reasoning.
// 2. Tool calls are looked for behind the reasoning, and not in later think regions.
// 3. Every block counts, also a last one that is not closed. A line of it, trimmed, is a call if it is a JSON object
//    with "name" (a string) and "arguments".
//    All others are skipped.
// 4. With at least one call, the content is the text before the first block. With none it is returned whole, blocks
//    included. Reasoning and content are trimmed of ASCII white space.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace fulgur {

struct ToolCall {
  std::string name;
  Json arguments;
};

struct ParsedOutput {
  std::string reasoning, content;
  std::vector<ToolCall> tool_calls;
};

ParsedOutput ParseOutput(std::string_view text);

// The same, piece by piece: the deltas put together are ParseOutput's result exactly, however the text is cut. Part of
// a tag is never emitted, nor white space that may turn out to be trailing. Reasoning that opens without <think>
// (only a </think> comes later) cannot be known in advance: `starts_in_thinking` says that the prompt already opened
// it (the result is then that of "<think>" and the text); otherwise text is held until a tag or the end decides what it
// is.
class StreamingOutputParser {
 public:
  // A tool call while it is being written.
  struct CallPart {
    size_t index = 0;       // of the output's calls
    bool begin = false;     // its first part
    std::string name;       // in that
    std::string arguments;  // the next piece of the JSON text, as the model writes it
    bool end = false;       // its last part
    bool complete = false;  // in that: the line is a call, from its first brace to its last
  };
  struct Delta {
    std::string reasoning, content;
    size_t content_end = 0;            // if there is content: the bytes of text pushed so far up to its end
    std::vector<ToolCall> tool_calls;  // each once, when its line is complete
    std::vector<CallPart> call_parts;  // with Options::call_parts
  };
  struct Options {
    enum class Start {
      kUnknown,    // of the output
      kThinking,   // the prompt has opened the thinking
      kAnswer,     // there is no thinking to come
      kMidAnswer,  // nor is white space at the beginning to be dropped: the prompt ends within the answer
    } start = Start::kUnknown;
    // The output begins with <think>, after white space, or it has no reasoning: text need not be held then.
    bool thinks_first = false;
    bool tool_calls = true;  // false: blocks are text
    // Calls also in parts, while their lines are still being written. A line with "name" and then "arguments" is taken
    // for a call from there on; should it turn out not to be one, its parts have been given out nevertheless (and the
    // content is over, as behind any call).
    bool call_parts = false;
    // False: white space after the content so far is given out as it comes, though nothing may follow it.
    bool trim_end = true;
    // False: a block without a call is content without its tags.
    bool tags_in_content = true;
  };
  explicit StreamingOutputParser(bool starts_in_thinking = false);
  explicit StreamingOutputParser(Options options);
  Delta Push(std::string_view text);
  // cut: the model would have gone on. What may be the beginning of a tag is dropped then, and a block that is not
  // closed is no content.
  Delta Finish(bool cut = false);

  // How many of the last bytes pushed may yet become content that follows on what has been given out.
  size_t undecided() const;
  // No more content comes before Finish.
  bool content_over() const { return block_seen_ || call_seen_; }

 private:
  enum class State {
    kUndecided,   // no tag yet
    kUnopened,    // behind a </think> that nothing opened: reasoning, if no <think> follows before a <tool_calls>
    kReasoning,   // behind <think>
    kContent,     // behind the reasoning, or there is none
    kLaterThink,  // in a <think> of the content: text, in which no block counts
    kBlock,       // in <tool_calls>
  };

  // Text whose leading white space is dropped and whose trailing white space waits for more.
  struct Trimmed {
    void Add(std::string_view text, std::string* out);
    bool started = false;
    bool keep_end = false;  // trailing white space does not wait
    std::string space;
  };

  // How far the line of a call that is being written has been given out.
  struct OpenLine {
    enum class Place { kName, kArguments, kBehind, kNoCall } place = Place::kName;
    size_t position = 0;  // in the line
    int depth = 0;        // of the arguments
    bool in_string = false, escaped = false;
  };

  bool Step(bool final, Delta* delta);  // takes something from pending_; false if more text is needed
  size_t FindTag(std::initializer_list<std::string_view> tags, bool final, std::string_view* tag, size_t* safe);
  void Content(std::string_view text, Delta* delta);
  void Line(std::string_view line, Delta* delta);
  void PartOfLine(std::string_view line, Delta* delta);

  Options options_;
  State state_;
  std::string_view Pending() const { return std::string_view(pending_).substr(begin_); }

  std::string pending_;  // from begin_ on: not interpreted yet
  size_t begin_ = 0;
  size_t before_ = 0;        // bytes of text before pending_
  size_t scanned_ = 0;       // behind begin_; there is no tag before this
  std::string unopened_;     // kUnopened: the text before the </think>, that tag included
  std::string held_;         // content from the first block on, in case no call follows
  size_t block_begin_ = 0;   // in held_: of the last block
  bool block_seen_ = false;  // content goes to held_
  bool call_seen_ = false;   // content is over
  OpenLine line_;
  size_t calls_ = 0;  // begun in call_parts
  Trimmed reasoning_, content_;
};

}  // namespace fulgur
