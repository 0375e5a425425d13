#include "text/output_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json_as_given.h"
#include "text/output_format.h"

namespace fulgur {
namespace {

constexpr std::string_view kSpace = " \t\n\r\f\v";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Bounds what comes after the parser (dumping and destroying a Json value recurse).
bool NestedTooDeeply(std::string_view json) {
  constexpr int kMaxDepth = 200;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

std::optional<ToolCall> ParseCall(std::string_view line) {
  line = Trim(line);
  if (line.empty() || line.front() != '{' || line.back() != '}' || NestedTooDeeply(line)) return std::nullopt;
  Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto name = json.find("name"), arguments = json.find("arguments");
  if (name == json.end() || arguments == json.end() || !name->is_string()) return std::nullopt;
  return ToolCall{name->get<std::string>(), std::move(*arguments)};
}

// The length of `{"name": "...", "arguments": ` at the beginning of a line, up to the value's brace, and the name. 0:
// not all there yet; npos: the line is another.
size_t CallHead(std::string_view line, std::string* name) {
  constexpr size_t kLongest = 2048;  // a name that goes on and on is none
  if (line.size() > kLongest) line = line.substr(0, kLongest);
  size_t pos = 0;
  // False when the line ends first or has something else there; `other` tells which.
  bool other = false;
  const auto literal = [&](std::string_view text) {
    pos = std::min(line.find_first_not_of(kSpace, pos), line.size());
    const std::string_view rest = line.substr(pos);
    if (rest.substr(0, text.size()) == text) {
      pos += text.size();
      return true;
    }
    other = text.substr(0, rest.size()) != rest;
    return false;
  };
  if (!literal("{") || !literal("\"name\"") || !literal(":") || !literal("\"")) {
    return other ? std::string_view::npos : 0;
  }
  const size_t begin = pos - 1;
  for (; pos < line.size() && line[pos] != '"'; ++pos) pos += line[pos] == '\\';
  if (pos >= line.size()) return 0;
  ++pos;
  const std::string_view quoted = line.substr(begin, pos - begin);
  if (!literal(",") || !literal("\"arguments\"") || !literal(":") || !literal("{")) {
    return other ? std::string_view::npos : 0;
  }
  const Json value = Json::parse(quoted.begin(), quoted.end(), nullptr, /*allow_exceptions=*/false);
  if (!value.is_string()) return std::string_view::npos;
  *name = value.get<std::string>();
  return pos - 1;
}

}  // namespace

StreamingOutputParser::StreamingOutputParser(bool starts_in_thinking)
    : StreamingOutputParser(
          Options{.start = starts_in_thinking ? Options::Start::kThinking : Options::Start::kUnknown}) {}

StreamingOutputParser::StreamingOutputParser(Options options)
    : options_(options),
      state_(options.start == Options::Start::kUnknown    ? State::kUndecided
             : options.start == Options::Start::kThinking ? State::kReasoning
                                                          : State::kContent) {
  content_.started = options.start == Options::Start::kMidAnswer;
  content_.keep_end = !options.trim_end;
}

void StreamingOutputParser::Trimmed::Add(std::string_view text, std::string* out) {
  if (keep_end && started) {
    *out += text;
    return;
  }
  const size_t last = text.find_last_not_of(kSpace);
  if (last == std::string_view::npos) {
    if (started) space += text;
    return;
  }
  std::string_view body = text.substr(0, last + 1);
  if (!started) body.remove_prefix(body.find_first_not_of(kSpace));
  *out += std::exchange(space, {});
  *out += body;
  started = true;
  (keep_end ? *out : space) += text.substr(last + 1);
}

void StreamingOutputParser::Content(std::string_view text, Delta* delta) {
  if (call_seen_) return;
  if (block_seen_) {
    held_ += text;
  } else {
    content_.Add(text, &delta->content);
    delta->content_end = before_ + begin_ - content_.space.size();
  }
}

void StreamingOutputParser::Line(std::string_view line, Delta* delta) {
  std::optional<ToolCall> call = ParseCall(line);
  if (options_.call_parts) {
    PartOfLine(line, delta);
    const OpenLine::Place place = std::exchange(line_, {}).place;
    if (place == OpenLine::Place::kArguments || place == OpenLine::Place::kBehind) {
      delta->call_parts.push_back({.index = calls_ - 1,
                                   .begin = false,
                                   .name = {},
                                   .arguments = {},
                                   .end = true,
                                   .complete = call.has_value()});
    } else if (call.has_value()) {  // a call in another spelling
      delta->call_parts.push_back({.index = calls_++,
                                   .begin = true,
                                   .name = call->name,
                                   .arguments = DumpJson(ParseJsonAsGiven(line, "call")["arguments"]),
                                   .end = true,
                                   .complete = true});
    }
  }
  if (!call.has_value()) return;
  call_seen_ = true;
  held_.clear();
  delta->tool_calls.push_back(std::move(*call));
}

// line: so far, from its beginning.
void StreamingOutputParser::PartOfLine(std::string_view line, Delta* delta) {
  using Place = OpenLine::Place;
  if (line_.place == Place::kName) {
    std::string name;
    const size_t head = CallHead(line, &name);
    if (head == std::string_view::npos) line_.place = Place::kNoCall;
    if (head == 0 || head == std::string_view::npos) return;
    line_.place = Place::kArguments;
    line_.position = head;
    call_seen_ = true;
    held_.clear();
    delta->call_parts.push_back(
        {.index = calls_++, .begin = true, .name = std::move(name), .arguments = {}, .end = false, .complete = false});
  }
  if (line_.place != Place::kArguments) return;
  const size_t begin = line_.position;
  for (; line_.position < line.size() && line_.place == Place::kArguments; ++line_.position) {
    const char c = line[line_.position];
    if (line_.in_string) {
      if (line_.escaped) {
        line_.escaped = false;
      } else if (c == '\\') {
        line_.escaped = true;
      } else if (c == '"') {
        line_.in_string = false;
      }
    } else if (c == '"') {
      line_.in_string = true;
    } else if (c == '{' || c == '[') {
      ++line_.depth;
    } else if (c == '}' || c == ']') {
      if (--line_.depth == 0) line_.place = Place::kBehind;
    }
  }
  const std::string_view piece = line.substr(begin, line_.position - begin);
  if (!piece.empty()) {
    delta->call_parts.push_back({.index = calls_ - 1,
                                 .begin = false,
                                 .name = {},
                                 .arguments = std::string(piece),
                                 .end = false,
                                 .complete = false});
  }
}

// The first of `tags` in what is pending, or npos. *safe: how much of it can be no part of a tag.
size_t StreamingOutputParser::FindTag(std::initializer_list<std::string_view> tags, bool final, std::string_view* tag,
                                      size_t* safe) {
  const std::string_view text = Pending();
  *safe = text.size();
  for (size_t pos = text.find('<', scanned_); pos != std::string::npos; pos = text.find('<', pos + 1)) {
    const std::string_view rest = text.substr(pos);
    for (const std::string_view candidate : tags) {
      if (rest.substr(0, candidate.size()) == candidate) {
        *tag = candidate;
        *safe = scanned_ = pos;
        return pos;
      }
      if (!final && candidate.substr(0, rest.size()) == rest) {  // only at the end of the text
        *safe = scanned_ = pos;
        return std::string::npos;
      }
    }
  }
  scanned_ = text.size();
  return std::string::npos;
}

bool StreamingOutputParser::Step(bool final, Delta* delta) {
  std::string_view tag;
  size_t safe = 0;
  const auto take = [&](size_t bytes) {
    const std::string_view text = Pending().substr(0, bytes);
    begin_ += bytes;
    scanned_ = 0;
    return text;
  };
  switch (state_) {
    case State::kUndecided:
    case State::kUnopened: {
      if (options_.thinks_first) {
        const std::string_view text = Pending();
        const std::string_view start = text.substr(std::min(text.find_first_not_of(kSpace), text.size()));
        if (!final && start.size() < kThinkOpen.size() && kThinkOpen.substr(0, start.size()) == start) return false;
        if (start.substr(0, kThinkOpen.size()) != kThinkOpen) {
          state_ = State::kContent;
          return true;
        }
      }
      const bool unopened = state_ == State::kUnopened;
      size_t at = FindTag({kThinkOpen, kThinkClose, kToolCallsOpen}, final, &tag, &safe);
      if (unopened && tag == kThinkClose) {  // one more is text like any other
        scanned_ = at + tag.size();
        return true;
      }
      if (at == std::string::npos) {
        if (!final) return false;
        at = Pending().size();
      }
      if (tag == kThinkOpen) {
        Content(unopened_, delta);
        Content(take(at), delta);
        unopened_.clear();
        take(tag.size());
        state_ = State::kReasoning;
      } else if (tag == kThinkClose) {
        unopened_ = take(at + tag.size());
        state_ = State::kUnopened;
      } else {  // a block or the end
        if (unopened) {
          reasoning_.Add(std::string_view(unopened_).substr(0, unopened_.find(kThinkClose)), &delta->reasoning);
          unopened_.clear();
        }
        state_ = State::kContent;
      }
      return true;
    }
    case State::kReasoning: {
      const size_t at = FindTag({kThinkClose}, final, &tag, &safe);
      reasoning_.Add(take(safe), &delta->reasoning);
      if (at == std::string::npos) return false;
      take(tag.size());
      state_ = State::kContent;
      return true;
    }
    case State::kContent: {
      if (!options_.tool_calls) {
        Content(take(Pending().size()), delta);
        return false;
      }
      const size_t at = FindTag({kThinkOpen, kToolCallsOpen}, final, &tag, &safe);
      Content(take(safe), delta);
      if (at == std::string::npos) return false;
      if (tag == kToolCallsOpen) {
        block_seen_ = true;
        block_begin_ = held_.size();
      }
      state_ = tag == kToolCallsOpen ? State::kBlock : State::kLaterThink;
      const std::string_view taken = take(tag.size());
      if (tag != kToolCallsOpen || options_.tags_in_content) Content(taken, delta);
      return true;
    }
    case State::kLaterThink: {
      const size_t at = FindTag({kThinkClose}, final, &tag, &safe);
      Content(take(safe), delta);
      if (at == std::string::npos) return false;
      Content(take(tag.size()), delta);
      state_ = State::kContent;
      return true;
    }
    case State::kBlock: {
      // Whole lines; the closing tag ends a line too.
      const size_t from = scanned_ < kToolCallsClose.size() ? 0 : scanned_ - kToolCallsClose.size();
      const size_t newline = Pending().find('\n', from);
      const size_t close = Pending().substr(0, newline).find(kToolCallsClose, from);
      scanned_ = Pending().size();
      size_t end = std::min(close, newline);
      const bool is_close = close < newline;
      if (end == std::string::npos) {
        if (!final || Pending().empty()) {
          if (options_.call_parts && !final) {  // without what may be the closing tag's beginning
            std::string_view line = Pending();
            size_t tag = std::min(line.size(), kToolCallsClose.size() - 1);
            while (line.substr(line.size() - tag) != kToolCallsClose.substr(0, tag)) --tag;
            PartOfLine(line.substr(0, line.size() - tag), delta);
          }
          return false;
        }
        end = Pending().size();
      }
      const std::string_view line = take(end);
      Content(line, delta);
      Line(line, delta);
      if (is_close) {
        const std::string_view taken = take(kToolCallsClose.size());
        if (options_.tags_in_content) Content(taken, delta);
        state_ = State::kContent;
      } else if (!Pending().empty()) {
        Content(take(1), delta);
      }
      return true;
    }
  }
  return false;
}

StreamingOutputParser::Delta StreamingOutputParser::Push(std::string_view text) {
  Delta delta;
  before_ += begin_;
  pending_.erase(0, std::exchange(begin_, 0));
  pending_ += text;
  while (Step(false, &delta)) {
  }
  return delta;
}

StreamingOutputParser::Delta StreamingOutputParser::Finish(bool cut) {
  Delta delta;
  const bool before_tag = options_.thinks_first || (state_ != State::kUndecided && state_ != State::kUnopened);
  if (cut && before_tag && state_ != State::kBlock) begin_ = pending_.size();  // the beginning of a tag
  while (Step(true, &delta)) {
  }
  if (cut && state_ == State::kBlock) held_.resize(block_begin_);
  if (!call_seen_ && !held_.empty()) {
    content_.Add(std::exchange(held_, {}), &delta.content);
    delta.content_end = before_ + begin_ - content_.space.size();
  }
  return delta;
}

size_t StreamingOutputParser::undecided() const {
  if (content_over() || state_ == State::kReasoning) return 0;
  return Pending().size() + content_.space.size();
}

ParsedOutput ParseOutput(std::string_view text) {
  StreamingOutputParser parser;
  ParsedOutput output;
  const auto add = [&](StreamingOutputParser::Delta delta) {
    output.reasoning += delta.reasoning;
    output.content += delta.content;
    for (ToolCall& call : delta.tool_calls) output.tool_calls.push_back(std::move(call));
  };
  add(parser.Push(text));
  add(parser.Finish());
  return output;
}

}  // namespace fulgur
