#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "base/error.h"
#include "text/tokenizer_file.h"
#include "unicode/unicode.h"

namespace fulgur {
namespace {

// What a step makes.
class Output {
 public:
  explicit Output(size_t size) {
    out_.text.reserve(size);
    out_.marks.reserve(size);
  }
  void Copy(const MarkedText& from, size_t begin, size_t end) {
    out_.text.append(from.text, begin, end - begin);
    out_.marks.append(from.marks, begin, end - begin);
  }
  // `text` for the bytes [begin, end).
  void Instead(const MarkedText& from, size_t begin, size_t end, std::string_view text) {
    const auto first = from.marks.begin() + static_cast<std::ptrdiff_t>(begin);
    const bool all = std::count(first, first + static_cast<std::ptrdiff_t>(end - begin), '\1') ==
                     static_cast<std::ptrdiff_t>(end - begin);
    out_.text.append(text);
    out_.marks.append(text.size(), all ? '\1' : '\0');
  }
  MarkedText Take() { return std::move(out_); }

 private:
  MarkedText out_;
};

// Calls f(begin, end, code point) for each character; bytes that are none are copied.
template <typename F>
void ForEachCharacter(const MarkedText& text, Output* out, const F& f) {
  const std::string_view all = text.text;
  for (size_t i = 0; i < all.size();) {
    const Utf8Step step = DecodeUtf8(all.substr(i));
    if (step.kind == Utf8Step::kCharacter) {
      f(i, i + step.length, step.code_point);
    } else {
      out->Copy(text, i, i + step.length);
    }
    i += step.length;
  }
}

std::string Utf8(char32_t c) {
  utf8proc_uint8_t bytes[4];
  return std::string(reinterpret_cast<const char*>(bytes),
                     static_cast<size_t>(utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes)));
}

std::string UnicodeForm(std::string_view text, bool compose, bool compatible) {
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0));
  utf8proc_uint8_t* form = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                             static_cast<utf8proc_ssize_t>(text.size()), &form, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(form, std::free);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (size < 0) throw Error("a text cannot be normalized: {}", utf8proc_errmsg(size));
  return std::string(reinterpret_cast<const char*>(form), static_cast<size_t>(size));
}

// ASCII is the same in every form and joins only with what follows it. So the text is normalized in runs of other
// characters, each with the ASCII character before it.
void ToUnicodeForm(const MarkedText& text, bool compose, bool compatible, Output* out) {
  const std::string_view all = text.text;
  const auto ascii = [&](size_t i) { return static_cast<uint8_t>(all[i]) < 0x80; };
  size_t at = 0;
  while (at < all.size()) {
    size_t wide = at;
    while (wide < all.size() && ascii(wide)) ++wide;
    if (wide == all.size()) break;
    const size_t begin = wide > at ? wide - 1 : wide;
    size_t end = wide;
    while (end < all.size() && !ascii(end)) ++end;
    out->Copy(text, at, begin);
    size_t done = begin;
    ForEachUtf8Run(all.substr(begin, end - begin), [&](std::string_view run, bool valid) {
      const std::string form = valid ? UnicodeForm(run, compose, compatible) : std::string(run);
      if (form == run) {
        out->Copy(text, done, done + run.size());
      } else {
        out->Instead(text, done, done + run.size(), form);
      }
      done += run.size();
    });
    at = end;
  }
  out->Copy(text, at, all.size());
}

void ReplaceAll(const MarkedText& text, const std::string& what, const std::string& by, Output* out) {
  size_t at = 0;
  for (size_t found; (found = text.text.find(what, at)) != std::string::npos; at = found + what.size()) {
    out->Copy(text, at, found);
    out->Instead(text, found, found + what.size(), by);
  }
  out->Copy(text, at, text.text.size());
}

void ReplacePattern(const MarkedText& text, const SplitPattern& pattern, const std::string& by,
                    SplitPattern::Scratch* scratch, Output* out) {
  size_t done = 0;
  std::vector<SplitPattern::Piece> pieces;
  ForEachUtf8Run(text.text, [&](std::string_view run, bool valid) {
    pieces.clear();
    if (valid) {
      pattern.Split(run, scratch, &pieces);
    } else {
      pieces.push_back({0, static_cast<uint32_t>(run.size()), false});
    }
    for (const SplitPattern::Piece& piece : pieces) {
      if (piece.match) {
        out->Instead(text, done + piece.begin, done + piece.end, by);
      } else {
        out->Copy(text, done + piece.begin, done + piece.end);
      }
    }
    done += run.size();
  });
}

void Strip(const MarkedText& text, bool left, bool right, Output* out) {
  size_t begin = text.text.size(), end = text.text.size();
  Output unused(0);
  ForEachCharacter(text, &unused, [&](size_t from, size_t to, char32_t c) {
    if (CodePointSet::WhiteSpace().Contains(c)) return;
    begin = std::min(begin, from);
    end = to;
  });
  if (begin == text.text.size()) return;  // nothing but white space
  out->Copy(text, left ? begin : 0, right ? end : text.text.size());
}

}  // namespace

Normalizer::Normalizer(const Json* json, const std::string& where) {
  for (const Json* component : Components(json, "normalizers", where)) {
    const std::string type = ComponentType(*component, where);
    const std::string in_component = where + ": " + type;
    if (steps_.size() >= 32) throw Error("{}: more than 32 normalizers", where);
    Step step;
    if (type == "NFC" || type == "NFKC" || type == "NFD" || type == "NFKD") {
      step.kind = type.back() == 'C' ? Kind::kCompose : Kind::kDecompose;
      step.compatible = type.size() == 4;
    } else if (type == "Lowercase") {
      step.kind = Kind::kLowercase;
    } else if (type == "StripAccents") {
      step.kind = Kind::kStripAccents;
    } else if (type == "Strip") {
      step.kind = Kind::kStrip;
      step.left = JsonGetOr<bool>(*component, "strip_left", true, in_component);
      step.right = JsonGetOr<bool>(*component, "strip_right", true, in_component);
    } else if (type == "Prepend") {
      step.kind = Kind::kPrepend;
      step.content = JsonGet<std::string>(*component, "prepend", in_component);
    } else if (type == "Replace") {
      const ComponentPattern pattern = PatternOf(*component, in_component);
      step.kind = pattern.regex ? Kind::kReplacePattern : Kind::kReplace;
      step.content = JsonGet<std::string>(*component, "content", in_component);
      if (pattern.text.empty()) throw Error("{}: the pattern is empty", in_component);
      if (pattern.regex) {
        step.pattern.emplace_back(pattern.text, in_component);
      } else {
        step.text = pattern.text;
      }
    } else {
      throw Error(
          "{}: the normalizer \"{}\" is not supported; known are NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, "
          "Strip, "
          "StripAccents and Sequence",
          where, type);
    }
    steps_.push_back(std::move(step));
  }
}

void Normalizer::Apply(MarkedText* text, SplitPattern::Scratch* scratch) const {
  for (const Step& step : steps_) ApplyTo(step, text, scratch);
}

std::string Normalizer::Apply(std::string_view text) const {
  MarkedText marked{std::string(text), std::string(text.size(), '\1')};
  SplitPattern::Scratch scratch;
  Apply(&marked, &scratch);
  return std::move(marked.text);
}

void Normalizer::ApplyTo(const Step& step, MarkedText* text, SplitPattern::Scratch* scratch) {
  static const CodePointSet kMarks = *CodePointSet::OfCategory("M");
  Output out(text->text.size());
  switch (step.kind) {
    case Kind::kCompose:
    case Kind::kDecompose:
      ToUnicodeForm(*text, step.kind == Kind::kCompose, step.compatible, &out);
      break;
    case Kind::kLowercase:
      ForEachCharacter(*text, &out, [&](size_t begin, size_t end, char32_t c) {
        // Of all characters only U+0130 becomes two.
        const std::string lower =
            c == 0x130 ? "i\u0307" : Utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
        out.Instead(*text, begin, end, lower);
      });
      break;
    case Kind::kStripAccents:
      ForEachCharacter(*text, &out, [&](size_t begin, size_t end, char32_t c) {
        if (!kMarks.Contains(c)) out.Copy(*text, begin, end);
      });
      break;
    case Kind::kReplace:
      ReplaceAll(*text, step.text, step.content, &out);
      break;
    case Kind::kReplacePattern:
      ReplacePattern(*text, step.pattern[0], step.content, scratch, &out);
      break;
    case Kind::kPrepend:
      if (text->text.empty()) return;
      out.Instead(*text, 0, 0, step.content);
      out.Copy(*text, 0, text->text.size());
      break;
    case Kind::kStrip:
      Strip(*text, step.left, step.right, &out);
      break;
  }
  *text = out.Take();
}

}  // namespace fulgur
