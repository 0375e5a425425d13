#include "text/pre_tokenizer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "text/tokenizer_file.h"

namespace fulgur {

PreTokenizer::PreTokenizer(const Json* json, const std::string& where) {
  const std::vector<const Json*> components = Components(json, "pretokenizers", where);
  if (components.size() > 16) throw Error("{}: more than 16 splitting steps", where);
  for (const Json* step : components) {
    const std::string type = ComponentType(*step, where);
    const std::string in_step = where + ": " + type;
    if (byte_level_) throw Error("{}: \"{}\" behind \"ByteLevel\" is not supported", where, type);
    const bool first = step == components[0];
    if (type == "ByteLevel") {
      byte_level_ = true;
      if (JsonGetOr<bool>(*step, "add_prefix_space", true, in_step)) {
        if (!first)
          throw Error("{}: \"add_prefix_space\" behind another step is not supported; it must be false", in_step);
        prefix_ = " ";
      }
      if (JsonGetOr<bool>(*step, "use_regex", true, in_step)) {
        steps_.push_back({SplitPattern(kGpt2Pattern, in_step), Behavior::kIsolated, false});
      }
    } else if (type == "Split") {
      AddSplit(*step, in_step);
    } else if (type == "Digits") {
      const bool individual = JsonGetOr<bool>(*step, "individual_digits", false, in_step);
      steps_.push_back({SplitPattern(individual ? "\\p{N}" : "\\p{N}+", in_step), Behavior::kIsolated, false});
    } else if (type == "Metaspace") {
      if (!first) throw Error("{}: \"Metaspace\" behind another step is not supported", where);
      AddMetaspace(*step, in_step);
    } else {
      throw Error(
          "{}: the pre-tokenizer \"{}\" is not supported; known are Split, Digits, Metaspace, ByteLevel and Sequence",
          where, type);
    }
  }
}

void PreTokenizer::AddSplit(const Json& json, const std::string& where) {
  static const std::map<std::string, Behavior> kBehaviors = {{"Isolated", Behavior::kIsolated},
                                                             {"Removed", Behavior::kRemoved},
                                                             {"Contiguous", Behavior::kContiguous},
                                                             {"MergedWithPrevious", Behavior::kMergedWithPrevious},
                                                             {"MergedWithNext", Behavior::kMergedWithNext}};
  const ComponentPattern pattern = PatternOf(json, where);
  const std::string name = JsonGet<std::string>(json, "behavior", where);
  const auto behavior = kBehaviors.find(name);
  if (behavior == kBehaviors.end()) {
    throw Error(
        "{}: the behavior \"{}\" is not supported; known are Isolated, Removed, Contiguous, MergedWithPrevious and "
        "MergedWithNext",
        where, name);
  }
  steps_.push_back({SplitPattern(pattern.regex ? pattern.text : SplitPattern::Quote(pattern.text), where),
                    behavior->second, JsonGetOr<bool>(json, "invert", false, where)});
}

void PreTokenizer::AddMetaspace(const Json& json, const std::string& where) {
  space_ = JsonGetOr<std::string>(json, "replacement", "\u2581", where);
  if (space_.empty()) throw Error("{}: \"replacement\" is empty", where);
  // Older files have add_prefix_space instead.
  const bool add = JsonGetOr<bool>(json, "add_prefix_space", true, where);
  const std::string scheme = JsonGetOr<std::string>(json, "prepend_scheme", add ? "always" : "never", where);
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    throw Error("{}: prepend_scheme \"{}\" is not known; it is always, first or never", where, scheme);
  }
  if (scheme != "never") prefix_ = space_;
  when_ = scheme == "first" ? Prefix::kBeginning : Prefix::kAlways;
  if (JsonGetOr<bool>(json, "split", true, where)) {
    steps_.push_back({SplitPattern(SplitPattern::Quote(space_), where), Behavior::kMergedWithNext, false});
  }
}

std::string_view PreTokenizer::Prepare(std::string_view text, bool begins, Scratch* scratch) const {
  if (text.empty() || (space_.empty() && prefix_.empty())) return text;
  std::string& out = scratch->text;
  out.clear();
  if (!prefix_.empty() && (begins || when_ == Prefix::kAlways)) {
    const bool there = text.starts_with(prefix_) || (!space_.empty() && text[0] == ' ');
    if (!there) out += prefix_;
  }
  if (space_.empty()) {
    out += text;
    return out;
  }
  for (const char c : text) {
    if (c == ' ') {
      out += space_;
    } else {
      out += c;
    }
  }
  return out;
}

void PreTokenizer::Split(std::string_view run, Scratch* scratch) const {
  std::vector<SplitPattern::Piece>& pieces = scratch->pieces;
  pieces.assign(1, {0, static_cast<uint32_t>(run.size()), false});
  for (const Step& step : steps_) {
    scratch->coarse.swap(pieces);
    pieces.clear();
    for (const SplitPattern::Piece& piece : scratch->coarse) {
      const size_t first = pieces.size();
      step.pattern.Split(run.substr(piece.begin, piece.end - piece.begin), &scratch->split, &pieces);
      for (size_t i = first; i < pieces.size(); ++i) {
        pieces[i].begin += piece.begin;
        pieces[i].end += piece.begin;
      }
      Arrange(step, first, &pieces);
    }
  }
}

// What becomes of the matches, in the pieces from `first` on.
void PreTokenizer::Arrange(const Step& step, size_t first, std::vector<SplitPattern::Piece>* pieces) {
  using Piece = SplitPattern::Piece;
  const auto begin = pieces->begin() + static_cast<std::ptrdiff_t>(first);
  if (step.invert) std::for_each(begin, pieces->end(), [](Piece& piece) { piece.match = !piece.match; });
  // Keeps the pieces for which join(last kept one, piece) is false; `join` has made the others part of it.
  const auto fold = [&](auto from, auto to, const auto& join) {
    auto kept = from;
    bool any = false;
    for (auto it = from; it != to; ++it) {
      if (any && join(&*kept, *it)) continue;
      if (any) ++kept;
      *kept = *it;
      any = true;
    }
    return any ? kept + 1 : from;
  };
  bool behind_match = false;
  const auto join_match = [&](Piece* last, const Piece& piece) {
    const bool joins = piece.match && !behind_match;
    behind_match = piece.match;
    if (joins) *last = {std::min(last->begin, piece.begin), std::max(last->end, piece.end), false};
    return joins;
  };
  switch (step.behavior) {
    case Behavior::kIsolated:
      break;
    case Behavior::kRemoved:
      pieces->erase(std::remove_if(begin, pieces->end(), [](const Piece& piece) { return piece.match; }),
                    pieces->end());
      break;
    case Behavior::kContiguous:
      pieces->erase(fold(begin, pieces->end(),
                         [](Piece* last, const Piece& piece) {
                           if (last->match != piece.match) return false;
                           last->end = piece.end;
                           return true;
                         }),
                    pieces->end());
      break;
    case Behavior::kMergedWithPrevious:
      if (begin != pieces->end()) behind_match = begin->match;
      pieces->erase(fold(begin, pieces->end(), join_match), pieces->end());
      break;
    case Behavior::kMergedWithNext:
      std::reverse(begin, pieces->end());
      if (begin != pieces->end()) behind_match = begin->match;
      pieces->erase(fold(begin, pieces->end(), join_match), pieces->end());
      std::reverse(pieces->begin() + static_cast<std::ptrdiff_t>(first), pieces->end());
      break;
  }
}

}  // namespace fulgur
