// Grammars over bytes: what an output may consist of, followed byte by byte.
//
// A grammar is put together from pieces by a GrammarBuilder and compiled to a pushdown automaton: nodes that read a
// byte, branch, call a rule or repeat one. A position in it (GrammarState) is a set of (node, stack of return
// addresses and counters); stacks are persistent lists, so that copying a state costs a few pointers. Every position
// that is reached can be completed: branches that lead nowhere are dropped when the grammar is built, and calls that
// would make a stack deeper than kMaxGrammarDepth are not entered.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unicode/unicode.h"

namespace fulgur {

class CharAutomaton;

inline constexpr uint32_t kMaxGrammarDepth = 256;       // return addresses on a stack: nesting of what is generated
inline constexpr size_t kMaxGrammarNodes = 200'000;     // of one grammar
inline constexpr size_t kMaxGrammarAlternatives = 512;  // (node, stack) pairs that one state follows; see Advance
inline constexpr uint32_t kUnbounded = UINT32_MAX;      // no upper limit of a repetition

// A return address: where to go on when a rule has been read; for a repetition also how often it has been.
// Reference-counted and immutable.
struct GrammarFrame {
  std::atomic<uint32_t> references{1};
  uint32_t node = 0;
  uint32_t count = 0;
  uint32_t depth = 0;  // of the stack that ends here: 1 at the bottom
  uint64_t hash = 0;
  GrammarFrame* below = nullptr;
};

class GrammarStack {
 public:
  GrammarStack() = default;
  GrammarStack(const GrammarStack& other);
  GrammarStack(GrammarStack&& other) noexcept : top_(std::exchange(other.top_, nullptr)) {}
  GrammarStack& operator=(GrammarStack other) noexcept {
    std::swap(top_, other.top_);
    return *this;
  }
  ~GrammarStack();

  GrammarStack Push(uint32_t node, uint32_t count) const;
  GrammarStack Below() const;  // without its top; not of an empty one
  const GrammarFrame* top() const { return top_; }
  uint32_t depth() const { return top_ == nullptr ? 0 : top_->depth; }
  bool operator==(const GrammarStack& other) const;

 private:
  explicit GrammarStack(GrammarFrame* top) : top_(top) {}
  GrammarFrame* top_ = nullptr;
};

struct GrammarPosition {
  uint32_t node = 0;  // one that reads a byte
  GrammarStack stack;
  bool operator==(const GrammarPosition&) const = default;
};

// Where in a grammar a text is.
struct GrammarState {
  std::vector<GrammarPosition> positions;  // every way the text so far can be read and go on
  bool can_end = false;                    // the text is complete as it is

  bool dead() const { return positions.empty() && !can_end; }
  bool must_end() const { return positions.empty() && can_end; }
};

// What Advance looked at, for who keeps results: they hold for every state whose stack agrees as far as was looked.
struct GrammarTrace {
  uint32_t lowest = UINT32_MAX;  // depth of the lowest frame that was returned to; 0: the stack's bottom was seen
  uint32_t highest = 0;          // deepest stack that was needed; it was not limited by kMaxGrammarDepth if `free`
  bool free = true;
};

// A compiled grammar. Immutable, may be used by any number of threads.
class Grammar {
 public:
  // What comes before the text that the grammar describes, if the output has thinking (engine/thinking.h): anything up
  // to </think>, that tag, and up to kMaxLeadingSpace white space characters. The byte after the tag is the first that
  // the grammar decides, so a token that ends the tag and carries on is judged by what follows the tag.
  enum class Start : uint8_t {
    kAnswer,    // nothing: the grammar's text at once
    kMayThink,  // <think> and thinking, or nothing
    kThinking,  // the prompt has opened the thinking
  };
  static constexpr uint32_t kMaxLeadingSpace = 8;

  GrammarState Begin(Start start) const;
  // The state after one more byte, in *next (not `state` itself). False if the byte cannot follow; *next is dead then.
  // More than kMaxGrammarAlternatives ways to read the text are not followed: a very ambiguous grammar then allows less
  // than it could, never more, and never comes to a dead end.
  bool Advance(const GrammarState& state, uint8_t byte, GrammarState* next, GrammarTrace* trace = nullptr) const;
  bool Advance(GrammarState* state, std::string_view text) const;
  // Some way to read the text so far is still before the end of the thinking.
  bool InThinking(const GrammarState& state) const;
  bool Matches(std::string_view text) const;  // from kAnswer

  // Nodes at which text may be anything: any number of characters from U+0020 on, other than '"', '\\' and '<', leads
  // back to the node (kFreeText), or one and as many more as the repetition on top of the stack has left (kCountedText;
  // what follows those begins with none of these characters).
  enum class Text : uint8_t { kOther, kFreeText, kCountedText };
  Text text(uint32_t node) const { return static_cast<Text>(nodes_[node].text); }
  // Of a frame: how many more rounds its repetition must and may have, after the one that is being read. 0 and 0 for a
  // plain return address.
  std::pair<uint32_t, uint32_t> RoundsLeft(const GrammarFrame& frame) const;

  size_t nodes() const { return nodes_.size(); }

 private:
  friend class GrammarBuilder;
  enum class Kind : uint8_t { kBytes, kSplit, kCall, kRepeat, kReturn };
  struct Node {
    Kind kind = Kind::kReturn;
    uint8_t text = 0;
    bool loop = false;      // kSplit: may be reached again without a byte in between
    bool thinking = false;  // before the end of the thinking
    uint16_t height = 0;    // stack that is needed to get from here to the end of the rule; kImpossible
    // kBytes, kSplit: edges [a, a + b). kCall: rule's node a, then b. kRepeat: a between min and max times, then b.
    uint32_t a = 0, b = 0, min = 0, max = 0;
  };
  struct Edge {
    uint32_t target;
    uint8_t low, high;  // kBytes; ascending and apart
  };
  static constexpr uint16_t kImpossible = UINT16_MAX;

  Grammar() = default;
  void Analyse(uint32_t answer);
  void Close(uint32_t node, GrammarStack stack, GrammarState* state, GrammarTrace* trace,
             std::vector<GrammarPosition>* seen) const;
  void Enter(uint32_t repeat, uint32_t count, const GrammarStack& stack, GrammarState* state, GrammarTrace* trace,
             std::vector<GrammarPosition>* seen) const;

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  uint32_t start_[3] = {};
};

// A part of a grammar, valid for the builder that made it, as often as one likes.
struct GrammarPiece {
  uint32_t index = 0;
};

class GrammarBuilder {
 public:
  GrammarBuilder();
  ~GrammarBuilder();
  GrammarBuilder(const GrammarBuilder&) = delete;
  GrammarBuilder& operator=(const GrammarBuilder&) = delete;

  // All throw Error when the grammar becomes larger than the limits above.
  GrammarPiece Literal(std::string_view bytes);
  GrammarPiece OneOf(std::vector<std::string> texts);  // one of them; none of them given: impossible
  GrammarPiece Characters(const CodePointSet& set);    // one character, in UTF-8
  GrammarPiece Sequence(std::vector<GrammarPiece> pieces);
  GrammarPiece Choice(std::vector<GrammarPiece> pieces);  // of none: impossible
  GrammarPiece Optional(GrammarPiece piece) { return Choice({piece, Sequence({})}); }
  // Between min and max times. What can be empty may be repeated only without an upper limit.
  GrammarPiece Repeat(GrammarPiece piece, uint32_t min, uint32_t max = kUnbounded);
  // Text whose characters the automaton reads, as the inside of a JSON string (those that must be are escaped).
  GrammarPiece JsonText(std::shared_ptr<const CharAutomaton> automaton);
  // A JSON string of min to max characters, quotation marks included. A character may be spelled in any way: itself,
  // \n, \u0041, a pair of \u for one beyond U+FFFF; half of such a pair never stands alone.
  GrammarPiece JsonString(uint32_t min, uint32_t max = kUnbounded);
  // UTF-8 text in which `tag` does not occur; with then_tag it ends with the tag's first occurrence.
  // The tag is ASCII.
  GrammarPiece TextWithout(std::string_view tag, bool then_tag);

  // A rule can be used before it is defined, and in its own definition.
  GrammarPiece DeclareRule();
  void DefineRule(GrammarPiece rule, GrammarPiece definition);

  // The grammar of `piece`. Throws Error if it allows no text at all, or if a rule begins with itself.
  std::shared_ptr<const Grammar> Build(GrammarPiece piece);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fulgur
