#include "grammar/grammar.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.h"
#include "base/rng.h"
#include "grammar/char_automaton.h"
#include "text/output_format.h"

namespace fulgur {

namespace {

void Release(GrammarFrame* frame) {
  while (frame != nullptr && frame->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete std::exchange(frame, frame->below);
  }
}

void AddUnique(GrammarPosition position, std::vector<GrammarPosition>* positions) {
  for (const GrammarPosition& p : *positions) {
    if (p == position) return;
  }
  positions->push_back(std::move(position));
}

}  // namespace

GrammarStack::GrammarStack(const GrammarStack& other) : top_(other.top_) {
  if (top_ != nullptr) top_->references.fetch_add(1, std::memory_order_relaxed);
}

GrammarStack::~GrammarStack() { Release(top_); }

GrammarStack GrammarStack::Push(uint32_t node, uint32_t count) const {
  auto* frame = new GrammarFrame;
  frame->node = node;
  frame->count = count;
  frame->depth = depth() + 1;
  frame->hash = Mix(top_ == nullptr ? 0 : top_->hash, (uint64_t{node} << 32) | count);
  frame->below = top_;
  if (top_ != nullptr) top_->references.fetch_add(1, std::memory_order_relaxed);
  return GrammarStack(frame);
}

GrammarStack GrammarStack::Below() const {
  FULGUR_CHECK(top_ != nullptr);
  if (top_->below != nullptr) top_->below->references.fetch_add(1, std::memory_order_relaxed);
  return GrammarStack(top_->below);
}

bool GrammarStack::operator==(const GrammarStack& other) const {
  const GrammarFrame *a = top_, *b = other.top_;
  for (; a != b; a = a->below, b = b->below) {
    if (a == nullptr || b == nullptr || a->hash != b->hash || a->node != b->node || a->count != b->count) return false;
  }
  return true;
}

// ---------------------------------------------------------------------------------------------------------------------
// Following a text.

GrammarState Grammar::Begin(Start start) const {
  GrammarState state;
  std::vector<GrammarPosition> seen;
  Close(start_[static_cast<size_t>(start)], {}, &state, nullptr, &seen);
  return state;
}

bool Grammar::Advance(const GrammarState& state, uint8_t byte, GrammarState* next, GrammarTrace* trace) const {
  next->positions.clear();
  next->can_end = false;
  std::vector<GrammarPosition> seen;
  for (const GrammarPosition& position : state.positions) {
    const Node& node = nodes_[position.node];
    const Edge* edge = edges_.data() + node.a;
    const Edge* const end = edge + node.b;
    if (node.b > 8) edge = std::partition_point(edge, end, [byte](const Edge& e) { return e.high < byte; });
    while (edge != end && edge->high < byte) ++edge;
    if (edge != end && edge->low <= byte) Close(edge->target, position.stack, next, trace, &seen);
  }
  return !next->dead();
}

bool Grammar::Advance(GrammarState* state, std::string_view text) const {
  GrammarState next;
  for (const char byte : text) {
    Advance(*state, static_cast<uint8_t>(byte), &next);
    std::swap(*state, next);
    if (state->dead()) return false;
  }
  return !state->dead();
}

bool Grammar::InThinking(const GrammarState& state) const {
  return std::any_of(state.positions.begin(), state.positions.end(),
                     [this](const GrammarPosition& p) { return nodes_[p.node].thinking; });
}

bool Grammar::Matches(std::string_view text) const {
  GrammarState state = Begin(Start::kAnswer);
  return Advance(&state, text) && state.can_end;
}

std::pair<uint32_t, uint32_t> Grammar::RoundsLeft(const GrammarFrame& frame) const {
  const Node& node = nodes_[frame.node];
  if (node.kind != Kind::kRepeat) return {0, 0};
  return {node.min > frame.count ? node.min - frame.count : 0,
          node.max == kUnbounded ? kUnbounded : node.max - frame.count};
}

// Adds the nodes that read a byte and are reached from `node` without one.
void Grammar::Close(uint32_t node_index, GrammarStack stack, GrammarState* state, GrammarTrace* trace,
                    std::vector<GrammarPosition>* seen) const {
  for (;;) {
    const Node& node = nodes_[node_index];
    if (node.height == kImpossible) return;
    const uint32_t needed = stack.depth() + node.height;
    if (needed > kMaxGrammarDepth) {
      if (trace != nullptr) trace->free = false;
      return;
    }
    if (trace != nullptr) trace->highest = std::max(trace->highest, needed);
    switch (node.kind) {
      case Kind::kBytes:
        if (state->positions.size() < kMaxGrammarAlternatives) {
          AddUnique({node_index, std::move(stack)}, &state->positions);
        }
        return;
      case Kind::kSplit:
        if (node.loop) {
          const size_t before = seen->size();
          AddUnique({node_index, stack}, seen);
          if (seen->size() == before) return;
        }
        for (uint32_t i = 0; i < node.b; ++i) Close(edges_[node.a + i].target, stack, state, trace, seen);
        return;
      case Kind::kCall:
        // What returns to a return needs no address.
        if (nodes_[node.b].kind != Kind::kReturn) stack = stack.Push(node.b, 0);
        node_index = node.a;
        continue;
      case Kind::kRepeat:
        return Enter(node_index, 0, stack, state, trace, seen);
      case Kind::kReturn: {
        const GrammarFrame* frame = stack.top();
        if (trace != nullptr) trace->lowest = std::min(trace->lowest, stack.depth());
        if (frame == nullptr) {
          state->can_end = true;
          return;
        }
        const uint32_t target = frame->node, count = frame->count;
        stack = stack.Below();
        if (nodes_[target].kind == Kind::kRepeat) return Enter(target, count, stack, state, trace, seen);
        node_index = target;
        continue;
      }
    }
  }
}

// A repetition that has been read `count` times.
void Grammar::Enter(uint32_t repeat, uint32_t count, const GrammarStack& stack, GrammarState* state,
                    GrammarTrace* trace, std::vector<GrammarPosition>* seen) const {
  const Node& node = nodes_[repeat];
  if (count < node.max) {
    const uint32_t next = node.max == kUnbounded ? std::min(count + 1, std::max(node.min, 1u)) : count + 1;
    Close(node.a, stack.Push(repeat, next), state, trace, seen);
  }
  if (count >= node.min) Close(node.b, stack, state, trace, seen);
}

// ---------------------------------------------------------------------------------------------------------------------
// Building.

struct GrammarBuilder::Impl {
  enum class Kind : uint8_t {
    kLiteral,
    kOneOf,
    kCharacters,
    kSequence,
    kChoice,
    kRepeat,
    kJsonText,
    kJsonString,
    kTextWithout,
    kRule
  };
  struct Piece {
    Kind kind;
    std::string text = {};
    std::vector<std::string> texts = {};
    CodePointSet set = {};
    std::vector<GrammarPiece> parts = {};
    uint32_t min = 0, max = 0;  // of a repetition, of a string
    bool then_tag = false;
    std::shared_ptr<const CharAutomaton> automaton = {};
  };
  using ByteEdge = std::tuple<uint8_t, uint8_t, uint32_t>;  // low, high, target
  // Bytes in sequence, each in a range, and where they lead.
  struct Path {
    uint8_t length;
    std::pair<uint8_t, uint8_t> bytes[6];
    uint32_t target;
  };
  using Node = Grammar::Node;
  using NodeKind = Grammar::Kind;

  GrammarPiece Add(Piece piece) {
    size += 1 + piece.text.size() + piece.parts.size();
    for (const std::string& text : piece.texts) size += 1 + text.size();
    if (size > 8 * kMaxGrammarNodes) throw Error("the grammar is too large");
    pieces.push_back(std::move(piece));
    return {static_cast<uint32_t>(pieces.size() - 1)};
  }

  uint32_t NewNode(Node node) {
    if (grammar->nodes_.size() >= kMaxGrammarNodes) {
      throw Error("the grammar is too large: more than {} nodes", kMaxGrammarNodes);
    }
    node.thinking = thinking;
    grammar->nodes_.push_back(node);
    return static_cast<uint32_t>(grammar->nodes_.size() - 1);
  }

  void SetEdges(uint32_t node, std::vector<ByteEdge> edges) {
    std::sort(edges.begin(), edges.end());
    if (grammar->edges_.size() + edges.size() > 4 * kMaxGrammarNodes) throw Error("the grammar is too large");
    grammar->nodes_[node].a = static_cast<uint32_t>(grammar->edges_.size());
    for (const auto& [low, high, target] : edges) {
      const bool more = grammar->edges_.size() > grammar->nodes_[node].a;
      if (more) {
        Grammar::Edge& last = grammar->edges_.back();
        FULGUR_CHECK(last.high < low);
        if (last.target == target && last.high + 1 == low) {
          last.high = high;
          continue;
        }
      }
      grammar->edges_.push_back({target, low, high});
    }
    grammar->nodes_[node].b = static_cast<uint32_t>(grammar->edges_.size()) - grammar->nodes_[node].a;
  }

  // Equal nodes are one.
  uint32_t Bytes(std::vector<ByteEdge> edges) {
    std::sort(edges.begin(), edges.end());
    if (thinking) {
      const uint32_t node = NewNode({.kind = NodeKind::kBytes});
      SetEdges(node, std::move(edges));
      return node;
    }
    const auto [entry, is_new] = bytes.try_emplace(edges, 0);
    if (is_new) {
      entry->second = NewNode({.kind = NodeKind::kBytes});
      SetEdges(entry->second, edges);
    }
    return entry->second;
  }

  void SetTargets(uint32_t node, const std::vector<uint32_t>& targets) {
    if (grammar->edges_.size() + targets.size() > 4 * kMaxGrammarNodes) throw Error("the grammar is too large");
    grammar->nodes_[node].a = static_cast<uint32_t>(grammar->edges_.size());
    grammar->nodes_[node].b = static_cast<uint32_t>(targets.size());
    for (const uint32_t target : targets) grammar->edges_.push_back({target, 0, 0});
  }

  uint32_t Split(const std::vector<uint32_t>& targets) {
    if (targets.size() == 1) return targets[0];
    const uint32_t node = NewNode({.kind = NodeKind::kSplit});
    SetTargets(node, targets);
    return node;
  }

  uint32_t Text(std::string_view text, uint32_t next) {
    for (size_t i = text.size(); i-- > 0;) {
      const uint8_t byte = static_cast<uint8_t>(text[i]);
      next = Bytes({{byte, byte, next}});
    }
    return next;
  }

  // One of texts[begin, end), which are sorted and distinct, from byte `at` on, which they agree up to.
  uint32_t OneOf(const std::vector<std::string>& texts, size_t begin, size_t end, size_t at, uint32_t next) {
    if (begin == end) return Split({});
    const std::string& first = texts[begin];
    const std::string& last = texts[end - 1];
    size_t common = at;
    while (common < first.size() && common < last.size() && first[common] == last[common]) ++common;
    uint32_t node;
    if (end - begin == 1) {
      node = next;
    } else {
      std::vector<uint32_t> ways;
      size_t i = begin;
      if (first.size() == common) {
        ways.push_back(next);
        ++i;
      }
      std::vector<ByteEdge> edges;
      while (i < end) {
        const char byte = texts[i][common];
        size_t group = i;
        while (group < end && texts[group][common] == byte) ++group;
        edges.emplace_back(static_cast<uint8_t>(byte), static_cast<uint8_t>(byte),
                           OneOf(texts, i, group, common + 1, next));
        i = group;
      }
      ways.push_back(Bytes(std::move(edges)));
      node = Split(ways);
    }
    return Text(std::string_view(first).substr(at, common - at), node);
  }

  // UTF-8 of the code points [low, high], in as few paths as there have to be.
  static void AddUtf8(char32_t low, char32_t high, uint32_t target, std::vector<Path>* paths) {
    for (const char32_t limit : {char32_t{0x7f}, char32_t{0x7ff}, char32_t{0xffff}}) {
      if (low <= limit && high > limit) {
        AddUtf8(low, limit, target, paths);
        return AddUtf8(limit + 1, high, target, paths);
      }
    }
    const int more = high <= 0x7f ? 0 : high <= 0x7ff ? 1 : high <= 0xffff ? 2 : 3;
    for (int i = 1; i <= more; ++i) {
      const char32_t mask = (char32_t{1} << (6 * i)) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        AddUtf8(low, low | mask, target, paths);
        return AddUtf8((low | mask) + 1, high, target, paths);
      }
      if ((high & mask) != mask) {
        AddUtf8(low, (high & ~mask) - 1, target, paths);
        return AddUtf8(high & ~mask, high, target, paths);
      }
    }
    static constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
    Path path{static_cast<uint8_t>(more + 1), {}, target};
    for (int i = 0; i <= more; ++i) {
      const int shift = 6 * (more - i);
      const uint8_t mark = i == 0 ? kLead[more] : 0x80;
      const char32_t mask = i == 0 ? 0x7f : 0x3f;
      path.bytes[i] = {static_cast<uint8_t>(mark | ((low >> shift) & mask)),
                       static_cast<uint8_t>(mark | ((high >> shift) & mask))};
    }
    paths->push_back(path);
  }

  // The characters of a set, which has no surrogates; as they are spelled in a JSON string, if `json`.
  static void AddCharacters(const CodePointSet& set, uint32_t target, bool json, std::vector<Path>* paths) {
    for (auto [begin, end] : set.ranges()) {
      while (json && begin < end && begin <= '\\') {
        if (begin >= 0x20 && begin != '"' && begin != '\\') {
          const char32_t stop = std::min(end, begin < '"' ? char32_t{'"'} : char32_t{'\\'});
          AddUtf8(begin, stop - 1, target, paths);
          begin = stop;
          continue;
        }
        Path path{2, {{'\\', '\\'}}, target};
        static constexpr std::string_view kControls = "\b\t\n\f\r", kLetters = "btnfr";
        const size_t named = kControls.find(static_cast<char>(begin));
        if (begin >= 0x20) {
          path.bytes[1] = {static_cast<uint8_t>(begin), static_cast<uint8_t>(begin)};
        } else if (named != std::string_view::npos) {
          path.bytes[1] = {static_cast<uint8_t>(kLetters[named]), static_cast<uint8_t>(kLetters[named])};
        } else {
          path.length = 6;
          const char text[] = {'u', '0', '0', static_cast<char>('0' + begin / 16), "0123456789abcdef"[begin % 16]};
          for (int i = 0; i < 5; ++i) {
            path.bytes[i + 1] = {static_cast<uint8_t>(text[i]), static_cast<uint8_t>(text[i])};
          }
        }
        paths->push_back(path);
        ++begin;
      }
      if (begin < end) AddUtf8(begin, end - 1, target, paths);
    }
  }

  // Edges that read the paths from byte `at` on. First ranges are equal or apart.
  std::vector<ByteEdge> PathEdges(const std::vector<Path>& paths, size_t at) {
    std::map<std::pair<uint8_t, uint8_t>, std::vector<Path>> groups;
    for (const Path& path : paths) groups[path.bytes[at]].push_back(path);
    std::vector<ByteEdge> edges;
    for (const auto& [range, group] : groups) {
      const bool ends = group[0].length == at + 1;
      const uint32_t target = ends ? group[0].target : Bytes(PathEdges(group, at + 1));
      edges.emplace_back(range.first, range.second, target);
    }
    return edges;
  }

  // A JSON string's character in any spelling.
  std::vector<ByteEdge> JsonCharacterEdges(uint32_t next) {
    std::vector<Path> paths;
    CodePointSet plain;
    plain.Add(0x20, '"');
    plain.Add('"' + 1, '\\');
    plain.Add('\\' + 1, 0xd800);
    plain.Add(0xe000, kCodePoints);
    AddCharacters(plain, next, /*json=*/false, &paths);
    std::vector<ByteEdge> edges = PathEdges(paths, 0);
    const auto hex = [&](int digits, uint32_t target) {
      for (; digits > 0; --digits) target = Bytes({{'0', '9', target}, {'a', 'f', target}, {'A', 'F', target}});
      return target;
    };
    const uint32_t last2 = hex(2, next), last3 = hex(3, next);
    const uint32_t low = Text("\\u", Bytes({{'d', 'd', Bytes({{'c', 'f', last2}, {'C', 'F', last2}})},
                                            {'D', 'D', Bytes({{'c', 'f', last2}, {'C', 'F', last2}})}}));
    const uint32_t high = hex(2, low);
    const uint32_t surrogate = Bytes({{'0', '7', last2}, {'8', '9', high}, {'a', 'b', high}, {'A', 'B', high}});
    const uint32_t code = Bytes({{'0', '9', last3},
                                 {'a', 'c', last3},
                                 {'e', 'f', last3},
                                 {'A', 'C', last3},
                                 {'E', 'F', last3},
                                 {'d', 'd', surrogate},
                                 {'D', 'D', surrogate}});
    std::vector<ByteEdge> escape = {{'u', 'u', code}};
    for (const char c : std::string_view("\"\\/bfnrt")) {
      escape.emplace_back(static_cast<uint8_t>(c), static_cast<uint8_t>(c), next);
    }
    edges.emplace_back('\\', '\\', Bytes(std::move(escape)));
    return edges;
  }

  uint32_t JsonString(uint32_t min, uint32_t max, uint32_t next) {
    const uint32_t quote = Text("\"", next);
    if (max == 0) return Text("\"", quote);
    const bool free = min == 0 && max == kUnbounded;
    const uint32_t character = NewNode({.kind = NodeKind::kBytes});
    grammar->nodes_[character].text =
        static_cast<uint8_t>(free ? Grammar::Text::kFreeText : Grammar::Text::kCountedText);
    uint32_t body;
    if (free) {
      body = Split({character, quote});
      SetEdges(character, JsonCharacterEdges(body));
    } else {
      body = NewNode({.kind = NodeKind::kRepeat, .a = character, .b = quote, .min = min, .max = max});
      SetEdges(character, JsonCharacterEdges(kReturnNode));
    }
    return Text("\"", body);
  }

  // Texts of the automaton. Each state is a node that branches: a byte of a character, or the end.
  uint32_t Automaton(const CharAutomaton& automaton, uint32_t next) {
    const auto& states = automaton.states();
    if (states.empty()) return Split({});
    std::vector<uint32_t> entry;
    for (size_t i = 0; i < states.size(); ++i) entry.push_back(NewNode({.kind = NodeKind::kSplit}));
    for (size_t i = 0; i < states.size(); ++i) {
      std::vector<uint32_t> ways;
      if (!states[i].edges.empty()) {
        std::vector<Path> paths;
        bool free = false;
        for (const CharAutomaton::Edge& edge : states[i].edges) {
          AddCharacters(edge.set, entry[edge.target], /*json=*/true, &paths);
          free |= edge.target == i && HasAllPlain(edge.set);
        }
        if (paths.size() > 4 * kMaxGrammarNodes) throw Error("the grammar is too large");
        std::vector<ByteEdge> edges = PathEdges(paths, 0);
        if (free) {
          ways.push_back(NewNode({.kind = NodeKind::kBytes}));
          SetEdges(ways[0], std::move(edges));
          grammar->nodes_[ways[0]].text = static_cast<uint8_t>(Grammar::Text::kFreeText);
        } else {
          ways.push_back(Bytes(std::move(edges)));
        }
      }
      if (states[i].accepts) ways.push_back(next);
      SetTargets(entry[i], ways);
    }
    return entry[0];
  }

  static bool HasAllPlain(const CodePointSet& set) {
    // [begin, end) are in the set.
    const auto has = [&](char32_t begin, char32_t end) {
      return std::any_of(set.ranges().begin(), set.ranges().end(),
                         [&](const auto& range) { return range.first <= begin && range.second >= end; });
    };
    return has(0x20, '"') && has('"' + 1, '<') && has('<' + 1, '\\') && has('\\' + 1, 0xd800) &&
           has(0xe000, kCodePoints);
  }

  // Text up to the tag, by how much of it has been spelled (text_match.h has the same for an engine's needs). utf8: of
  // whole characters; else of any bytes.
  uint32_t TextWithout(std::string_view tag, bool utf8, bool then_tag, uint32_t next) {
    FULGUR_CHECK(!tag.empty() && tag.size() < 64);
    std::vector<uint32_t> read, state;
    for (size_t i = 0; i < tag.size(); ++i) {
      read.push_back(NewNode({.kind = NodeKind::kBytes}));
      state.push_back(then_tag ? read[i] : Split({read[i], next}));
    }
    if (tag[0] == '<') grammar->nodes_[read[0]].text = static_cast<uint8_t>(Grammar::Text::kFreeText);
    std::vector<ByteEdge> beyond;  // characters beyond ASCII: nothing of the tag is spelled after them
    if (utf8) {
      CodePointSet set;
      set.Add(0x80, 0xd800);
      set.Add(0xe000, kCodePoints);
      std::vector<Path> paths;
      AddCharacters(set, state[0], /*json=*/false, &paths);
      beyond = PathEdges(paths, 0);
    } else {
      beyond = {{0x80, 0xff, state[0]}};
    }
    for (size_t i = 0; i < tag.size(); ++i) {
      std::vector<ByteEdge> edges = beyond;
      for (int byte = 0; byte < 0x80; ++byte) {
        std::string spelled = std::string(tag.substr(0, i)) + static_cast<char>(byte);
        if (spelled == tag) {
          if (then_tag) edges.emplace_back(byte, byte, next);
          continue;
        }
        while (!spelled.empty() && tag.substr(0, spelled.size()) != spelled) spelled.erase(0, 1);
        edges.emplace_back(byte, byte, state[spelled.size()]);
      }
      SetEdges(read[i], std::move(edges));
    }
    return state[0];
  }

  uint32_t Repeat(GrammarPiece piece, uint32_t min, uint32_t max, uint32_t next) {
    // Few rounds, or a first one before a loop, are written out.
    if (max != kUnbounded && (max <= 2 || (max <= 40 && IsByte(piece)))) {
      uint32_t node = next;
      for (uint32_t i = min; i < max; ++i) node = Split({Emit(piece, node), next});
      for (uint32_t i = 0; i < min; ++i) node = Emit(piece, node);
      return node;
    }
    if (max == kUnbounded && min <= 1) {
      const uint32_t loop = NewNode({.kind = NodeKind::kSplit, .loop = true});
      const uint32_t body = Emit(piece, loop);
      SetTargets(loop, {body, next});
      return min == 0 ? loop : body;
    }
    const uint32_t body = Emit(piece, kReturnNode);
    return NewNode({.kind = NodeKind::kRepeat, .a = body, .b = next, .min = min, .max = max});
  }

  bool IsByte(GrammarPiece piece) const {
    const Piece& p = pieces[piece.index];
    return (p.kind == Kind::kLiteral && p.text.size() == 1) ||
           (p.kind == Kind::kCharacters && p.set.ranges().size() <= 4);
  }

  // A node from which the piece is read, and then what `next` reads.
  uint32_t Emit(GrammarPiece piece, uint32_t next) {
    const auto known = emitted.find({piece.index, next});
    if (known != emitted.end()) return known->second;
    const Piece& p = pieces[piece.index];
    uint32_t node = next;
    switch (p.kind) {
      case Kind::kLiteral:
        node = Text(p.text, next);
        break;
      case Kind::kOneOf:
        node = OneOf(p.texts, 0, p.texts.size(), 0, next);
        break;
      case Kind::kCharacters: {
        std::vector<Path> paths;
        AddCharacters(p.set, next, /*json=*/false, &paths);
        node = paths.empty() ? Split({}) : Bytes(PathEdges(paths, 0));
        break;
      }
      case Kind::kSequence:
        for (size_t i = p.parts.size(); i-- > 0;) node = Emit(p.parts[i], node);
        break;
      case Kind::kChoice: {
        std::vector<uint32_t> ways;
        for (const GrammarPiece part : p.parts) {
          const uint32_t way = Emit(part, next);
          if (std::find(ways.begin(), ways.end(), way) == ways.end()) ways.push_back(way);
        }
        node = Split(ways);
        break;
      }
      case Kind::kRepeat:
        node = Repeat(p.parts[0], p.min, p.max, next);
        break;
      case Kind::kJsonText:
        node = Automaton(*p.automaton, next);
        break;
      case Kind::kJsonString:
        node = JsonString(p.min, p.max, next);
        break;
      case Kind::kTextWithout:
        node = TextWithout(p.text, /*utf8=*/true, p.then_tag, next);
        break;
      case Kind::kRule:
        FULGUR_CHECK(!p.parts.empty(), "a rule without a definition");
        node = NewNode({.kind = NodeKind::kCall, .a = piece.index, .b = next});
        calls.push_back(node);
        break;
    }
    emitted[{piece.index, next}] = node;
    return node;
  }

  static constexpr uint32_t kReturnNode = 0;

  std::vector<Piece> pieces;
  size_t size = 0;

  // While building.
  std::shared_ptr<Grammar> grammar;
  std::map<std::vector<ByteEdge>, uint32_t> bytes;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> emitted;
  std::vector<uint32_t> calls;  // nodes that name the rule's piece instead of its node
  bool thinking = false;
};

GrammarBuilder::GrammarBuilder() : impl_(std::make_unique<Impl>()) {}
GrammarBuilder::~GrammarBuilder() = default;

GrammarPiece GrammarBuilder::Literal(std::string_view bytes) {
  return impl_->Add({.kind = Impl::Kind::kLiteral, .text = std::string(bytes)});
}

GrammarPiece GrammarBuilder::OneOf(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return impl_->Add({.kind = Impl::Kind::kOneOf, .texts = std::move(texts)});
}

GrammarPiece GrammarBuilder::Characters(const CodePointSet& set) {
  CodePointSet scalars;
  for (const auto& [begin, end] : set.ranges()) {
    if (begin < 0xd800) scalars.Add(begin, std::min(end, char32_t{0xd800}));
    if (end > 0xe000) scalars.Add(std::max(begin, char32_t{0xe000}), std::min(end, kCodePoints));
  }
  scalars.Normalize();
  return impl_->Add({.kind = Impl::Kind::kCharacters, .set = std::move(scalars)});
}

GrammarPiece GrammarBuilder::Sequence(std::vector<GrammarPiece> pieces) {
  return impl_->Add({.kind = Impl::Kind::kSequence, .parts = std::move(pieces)});
}

GrammarPiece GrammarBuilder::Choice(std::vector<GrammarPiece> pieces) {
  return impl_->Add({.kind = Impl::Kind::kChoice, .parts = std::move(pieces)});
}

GrammarPiece GrammarBuilder::Repeat(GrammarPiece piece, uint32_t min, uint32_t max) {
  FULGUR_CHECK(min <= max && min != kUnbounded);
  return impl_->Add({.kind = Impl::Kind::kRepeat, .parts = {piece}, .min = min, .max = max});
}

GrammarPiece GrammarBuilder::JsonText(std::shared_ptr<const CharAutomaton> automaton) {
  return impl_->Add({.kind = Impl::Kind::kJsonText, .automaton = std::move(automaton)});
}

GrammarPiece GrammarBuilder::JsonString(uint32_t min, uint32_t max) {
  FULGUR_CHECK(min <= max && min != kUnbounded);
  return impl_->Add({.kind = Impl::Kind::kJsonString, .min = min, .max = max});
}

GrammarPiece GrammarBuilder::TextWithout(std::string_view tag, bool then_tag) {
  return impl_->Add({.kind = Impl::Kind::kTextWithout, .text = std::string(tag), .then_tag = then_tag});
}

GrammarPiece GrammarBuilder::DeclareRule() { return impl_->Add({.kind = Impl::Kind::kRule}); }

void GrammarBuilder::DefineRule(GrammarPiece rule, GrammarPiece definition) {
  FULGUR_CHECK(impl_->pieces[rule.index].kind == Impl::Kind::kRule && impl_->pieces[rule.index].parts.empty());
  impl_->pieces[rule.index].parts = {definition};
}

std::shared_ptr<const Grammar> GrammarBuilder::Build(GrammarPiece piece) {
  Impl& b = *impl_;
  b.grammar.reset(new Grammar());
  b.bytes.clear();
  b.emitted.clear();
  b.calls.clear();
  FULGUR_CHECK(b.NewNode({.kind = Grammar::Kind::kReturn}) == Impl::kReturnNode);

  CodePointSet space;
  for (const char c : std::string_view(" \t\r\n")) space.Add(static_cast<char32_t>(c), static_cast<char32_t>(c) + 1);
  space.Normalize();
  const GrammarPiece spaces = Repeat(Characters(space), 0, Grammar::kMaxLeadingSpace);
  const uint32_t answer = b.Emit(piece, Impl::kReturnNode), after_thinking = b.Emit(spaces, answer);
  b.thinking = true;
  const uint32_t thinking = b.TextWithout(kThinkClose, /*utf8=*/false, /*then_tag=*/true, after_thinking);
  const uint32_t opening =
      b.Emit(Sequence({Repeat(Characters(space), 0, Grammar::kMaxLeadingSpace), Literal(kThinkOpen)}), thinking);
  const uint32_t may_think = b.Split({opening, answer});
  b.thinking = false;

  std::map<uint32_t, uint32_t> rules;  // piece to node
  for (size_t i = 0; i < b.calls.size(); ++i) {
    const uint32_t rule = b.grammar->nodes_[b.calls[i]].a;
    const auto [entry, is_new] = rules.try_emplace(rule, 0);
    if (is_new) entry->second = b.Emit(b.pieces[rule].parts[0], Impl::kReturnNode);
    b.grammar->nodes_[b.calls[i]].a = entry->second;
  }
  b.grammar->start_[static_cast<size_t>(Grammar::Start::kAnswer)] = answer;
  b.grammar->start_[static_cast<size_t>(Grammar::Start::kThinking)] = thinking;
  b.grammar->start_[static_cast<size_t>(Grammar::Start::kMayThink)] = may_think;
  b.grammar->Analyse(answer);
  return std::exchange(b.grammar, nullptr);
}

// What a node needs of the stack, whether it can be passed without a byte; and that neither goes on for ever.
void Grammar::Analyse(uint32_t answer) {
  const size_t n = nodes_.size();
  std::vector<std::vector<uint32_t>> users(n);
  for (uint32_t i = 0; i < n; ++i) {
    const Node& node = nodes_[i];
    if (node.kind == Kind::kBytes || node.kind == Kind::kSplit) {
      for (uint32_t e = 0; e < node.b; ++e) users[edges_[node.a + e].target].push_back(i);
    } else if (node.kind != Kind::kReturn) {
      users[node.a].push_back(i);
      users[node.b].push_back(i);
    }
  }

  // Heights in ascending order (Knuth 1977, "A generalization of Dijkstra's algorithm"): the first way through a branch
  // that is known is the lowest one.
  for (Node& node : nodes_) node.height = kImpossible;
  std::vector<std::vector<uint32_t>> at(kMaxGrammarDepth + 1);
  at[0].push_back(0);  // the return
  for (uint32_t height = 0; height <= kMaxGrammarDepth; ++height) {
    for (size_t k = 0; k < at[height].size(); ++k) {
      const uint32_t done = at[height][k];
      if (nodes_[done].height != kImpossible) continue;
      nodes_[done].height = static_cast<uint16_t>(height);
      for (const uint32_t user : users[done]) {
        const Node& node = nodes_[user];
        if (node.height != kImpossible) continue;
        uint32_t needed = height;
        if (node.kind == Kind::kCall || (node.kind == Kind::kRepeat && node.min > 0)) {
          if (nodes_[node.a].height == kImpossible || nodes_[node.b].height == kImpossible) continue;
          const bool pushes = node.kind == Kind::kRepeat || nodes_[node.b].kind != Kind::kReturn;
          needed = std::max<uint32_t>(nodes_[node.a].height + (pushes ? 1 : 0), nodes_[node.b].height);
        } else if (node.kind == Kind::kRepeat && done != node.b) {
          continue;
        }
        if (needed <= kMaxGrammarDepth) at[needed].push_back(user);
      }
    }
  }
  if (nodes_[answer].height == kImpossible) throw Error("nothing is allowed: there is no text that fits");

  // Nodes that are passed without a byte.
  std::vector<uint8_t> empty(n, 0);
  std::vector<uint32_t> todo = {0};
  empty[0] = 1;
  while (!todo.empty()) {
    const uint32_t done = todo.back();
    todo.pop_back();
    for (const uint32_t user : users[done]) {
      const Node& node = nodes_[user];
      if (empty[user] || node.kind == Kind::kBytes) continue;
      if (node.kind == Kind::kCall && !(empty[node.a] && empty[node.b])) continue;
      if (node.kind == Kind::kRepeat && !((node.min == 0 || empty[node.a]) && empty[node.b])) continue;
      empty[user] = 1;
      todo.push_back(user);
    }
  }
  for (const Node& node : nodes_) {
    if (node.kind == Kind::kRepeat && empty[node.a]) {
      throw Error("what can be empty cannot be repeated a given number of times");
    }
  }

  // No rule is reached from itself without a byte: in the graph of steps without bytes, no cycle has a call (Tarjan
  // 1972).
  const auto steps = [&](uint32_t i, std::vector<uint32_t>* out) {
    const Node& node = nodes_[i];
    out->clear();
    if (node.height == kImpossible) return;
    if (node.kind == Kind::kSplit) {
      for (uint32_t e = 0; e < node.b; ++e) out->push_back(edges_[node.a + e].target);
    } else if (node.kind == Kind::kCall) {
      out->push_back(node.a);
      if (empty[node.a]) out->push_back(node.b);
    } else if (node.kind == Kind::kRepeat) {
      out->push_back(node.a);
      if (node.min == 0) out->push_back(node.b);
    }
  };
  struct Visit {
    uint32_t node;
    size_t next = 0;
    std::vector<uint32_t> steps = {};
  };
  std::vector<uint32_t> number(n, 0), low(n, 0), component(n, 0), open;
  uint32_t numbers = 0, components = 0;
  for (uint32_t root = 0; root < n; ++root) {
    if (number[root] != 0) continue;
    std::vector<Visit> path;
    const auto enter = [&](uint32_t node) {
      number[node] = low[node] = ++numbers;
      open.push_back(node);
      path.push_back({node});
      steps(node, &path.back().steps);
    };
    enter(root);
    while (!path.empty()) {
      Visit& visit = path.back();
      if (visit.next < visit.steps.size()) {
        const uint32_t to = visit.steps[visit.next++];
        if (number[to] == 0) {
          enter(to);
        } else if (component[to] == 0) {
          low[visit.node] = std::min(low[visit.node], number[to]);
        }
        continue;
      }
      const uint32_t node = visit.node;
      path.pop_back();
      if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[node]);
      if (low[node] != number[node]) continue;
      ++components;
      for (uint32_t member = n; member != node;) {
        member = open.back();
        open.pop_back();
        component[member] = components;
      }
    }
  }
  for (uint32_t i = 0; i < n; ++i) {
    const Node& node = nodes_[i];
    const bool calls = node.kind == Kind::kCall || node.kind == Kind::kRepeat;
    if (calls && node.height != kImpossible && component[node.a] == component[i]) {
      throw Error("a rule begins with itself, so that it would never end");
    }
  }
}

}  // namespace fulgur
