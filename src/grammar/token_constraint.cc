#include "grammar/token_constraint.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/error.h"

namespace fulgur {

namespace {

constexpr uint64_t kBottom = UINT64_MAX;  // key of a stack's end

// The number of characters of a token that is plain (see ConstraintVocabulary::plain_); 0: it is not.
uint32_t PlainCharacters(std::string_view bytes) {
  uint32_t characters = 0;
  while (!bytes.empty()) {
    const Utf8Step step = DecodeUtf8(bytes);
    if (step.kind != Utf8Step::kCharacter || step.code_point < 0x20 || step.code_point == '"' ||
        step.code_point == '\\' || step.code_point == '<') {
      return 0;
    }
    bytes.remove_prefix(step.length);
    ++characters;
  }
  return characters;
}

void Set(TokenBits* bits, int32_t id) { (*bits)[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); }

}  // namespace

// Tokens by their bytes, in depth-first order: a node's subtree is what follows it up to `end`.
struct ConstraintVocabulary::Tree {
  struct Node {
    uint8_t byte;
    uint16_t depth;  // bytes before this one
    uint32_t end;
    uint32_t ids_end;  // ids[previous node's ids_end, ids_end) are the tokens that end here
  };
  std::vector<Node> nodes;
  std::vector<int32_t> ids;

  explicit Tree(std::vector<std::pair<std::string_view, int32_t>> tokens) {
    std::sort(tokens.begin(), tokens.end());
    std::vector<uint32_t> path;  // the nodes of the last token's bytes
    std::string_view last;
    for (const auto& [bytes, id] : tokens) {
      size_t common = 0;
      while (common < last.size() && common < bytes.size() && last[common] == bytes[common]) ++common;
      const auto size = static_cast<uint32_t>(nodes.size());
      for (; path.size() > common; path.pop_back()) nodes[path.back()].end = size;
      for (size_t i = common; i < bytes.size(); ++i) {
        path.push_back(static_cast<uint32_t>(nodes.size()));
        nodes.push_back(
            {static_cast<uint8_t>(bytes[i]), static_cast<uint16_t>(i), 0, static_cast<uint32_t>(ids.size())});
      }
      // A longer token comes after its beginnings, and tokens of equal bytes one after the other.
      ids.push_back(id);
      nodes.back().ids_end = static_cast<uint32_t>(ids.size());
      last = bytes;
    }
    for (const uint32_t node : path) nodes[node].end = static_cast<uint32_t>(nodes.size());
  }

  // Calls found(id) for the tokens that can follow `state`.
  template <typename F>
  void Walk(const Grammar& grammar, const GrammarState& state, GrammarTrace* trace, const F& found) const {
    std::vector<GrammarState> states(1, state);  // [depth]
    for (uint32_t i = 0; i < nodes.size();) {
      const Node& node = nodes[i];
      if (states.size() < node.depth + size_t{2}) states.resize(node.depth + size_t{2});
      if (!grammar.Advance(states[node.depth], node.byte, &states[node.depth + size_t{1}], trace)) {
        i = node.end;
        continue;
      }
      for (uint32_t k = i == 0 ? 0 : nodes[i - 1].ids_end; k < node.ids_end; ++k) found(ids[k]);
      ++i;
    }
  }
};

ConstraintVocabulary::ConstraintVocabulary(const Tokenizer& tokenizer)
    : tokenizer_(&tokenizer), words_((static_cast<size_t>(tokenizer.vocab_size()) + 63) / 64), plain_bits_(words_, 0) {
  std::vector<std::pair<std::string_view, int32_t>> plain, other;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view bytes = tokenizer.Bytes(id);
    // Longer ones would only make the tree's depths larger; there is always another way to write them.
    if (tokenizer.IsSpecial(id) || bytes.empty() || bytes.size() > 1000) continue;
    longest_ = std::max(longest_, bytes.size());
    const uint32_t characters = PlainCharacters(bytes);
    if (characters > 0) {
      plain.emplace_back(bytes, id);
      plain_by_length_.emplace_back(characters, id);
      Set(&plain_bits_, id);
    } else {
      other.emplace_back(bytes, id);
    }
  }
  std::sort(plain_by_length_.begin(), plain_by_length_.end());
  plain_ = std::make_unique<Tree>(std::move(plain));
  other_ = std::make_unique<Tree>(std::move(other));
}

ConstraintVocabulary::~ConstraintVocabulary() = default;

// The tokens that may follow at one position; as ids if they are few.
struct TokenConstraint::Mask {
  std::vector<int32_t> ids;
  TokenBits bits;
  size_t bytes() const { return sizeof(*this) + ids.size() * sizeof(ids[0]) + bits.size() * sizeof(bits[0]); }
};

// Masks by the node and the frames that were looked at to find them, from the top of the stack down. How far that is
// depends only on what was seen on the way, so of the frames on one path at most one place has a mask.
struct TokenConstraint::Cache {
  struct Entry {
    std::shared_ptr<const Mask> mask;
    uint32_t headroom = 0;  // what a stack has to have left for the mask to hold
    std::unordered_map<uint64_t, std::unique_ptr<Entry>> below;
  };
  std::mutex mutex;
  std::unordered_map<uint32_t, Entry> entries;  // by node
  size_t bytes = 0;
};

TokenConstraint::TokenConstraint(std::shared_ptr<const Grammar> grammar,
                                 std::shared_ptr<const ConstraintVocabulary> vocabulary)
    : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)), cache_(std::make_unique<Cache>()) {}

TokenConstraint::~TokenConstraint() = default;

TokenConstraint::Cursor TokenConstraint::Begin(Grammar::Start start) const {
  Cursor cursor;
  cursor.constraint_ = this;
  cursor.state_ = grammar_->Begin(start);
  return cursor;
}

bool TokenConstraint::Cursor::Push(std::string_view bytes) { return constraint_->grammar_->Advance(&state_, bytes); }

bool TokenConstraint::Cursor::in_thinking() const { return constraint_->grammar_->InThinking(state_); }

void TokenConstraint::Allowed(const Cursor& cursor, std::span<const int32_t> end_tokens, TokenBits* allowed) const {
  allowed->assign(vocabulary_->words_, 0);
  for (const GrammarPosition& position : cursor.state_.positions) {
    const std::shared_ptr<const Mask> mask = MaskOf(position);
    for (const int32_t id : mask->ids) Set(allowed, id);
    for (size_t i = 0; i < mask->bits.size(); ++i) (*allowed)[i] |= mask->bits[i];
  }
  for (const int32_t id : end_tokens) {
    if (id < 0 || static_cast<size_t>(id) / 64 >= allowed->size()) continue;
    const uint64_t bit = uint64_t{1} << (id % 64);
    uint64_t& word = (*allowed)[static_cast<size_t>(id) / 64];
    word = cursor.can_end() ? word | bit : word & ~bit;
  }
}

// What the masks below a frame depend on: where it returns to, and how many rounds its repetition has left. More rounds
// than the longest token has bytes are as good as that many, as a round has at least one.
uint64_t TokenConstraint::Key(const GrammarFrame* frame) const {
  if (frame == nullptr) return kBottom;
  const auto [must, may] = grammar_->RoundsLeft(*frame);
  const auto longest = static_cast<uint32_t>(vocabulary_->longest_);
  return (uint64_t{frame->node} << 32) | (std::min(must, longest) << 16) | std::min(may, longest);
}

std::shared_ptr<const TokenConstraint::Mask> TokenConstraint::MaskOf(const GrammarPosition& position) const {
  const uint32_t depth = position.stack.depth();
  {
    const std::lock_guard lock(cache_->mutex);
    const auto root = cache_->entries.find(position.node);
    const Cache::Entry* entry = root == cache_->entries.end() ? nullptr : &root->second;
    const GrammarFrame* frame = position.stack.top();
    while (entry != nullptr) {
      if (entry->mask) {
        if (depth + entry->headroom <= kMaxGrammarDepth) return entry->mask;
        break;
      }
      const auto next = entry->below.find(Key(frame));
      entry = next == entry->below.end() ? nullptr : next->second.get();
      if (frame != nullptr) frame = frame->below;
    }
  }
  GrammarTrace trace;
  std::shared_ptr<const Mask> mask = Compute(position, &trace);
  if (!trace.free) return mask;  // so deep that the limit played a part

  const std::lock_guard lock(cache_->mutex);
  if (cache_->bytes + mask->bytes() > kMemory) {
    cache_->entries.clear();
    cache_->bytes = 0;
  }
  Cache::Entry* entry = &cache_->entries[position.node];
  const GrammarFrame* frame = position.stack.top();
  for (uint32_t at = depth; trace.lowest <= at; --at) {
    std::unique_ptr<Cache::Entry>& below = entry->below[Key(frame)];
    if (!below) {
      below = std::make_unique<Cache::Entry>();
      cache_->bytes += 2 * sizeof(Cache::Entry);
    }
    entry = below.get();
    if (frame == nullptr) break;
    frame = frame->below;
  }
  if (!entry->mask) {
    entry->mask = mask;
    entry->headroom = trace.highest > depth ? trace.highest - depth : 0;
    cache_->bytes += mask->bytes();
  }
  return mask;
}

std::shared_ptr<const TokenConstraint::Mask> TokenConstraint::Compute(const GrammarPosition& position,
                                                                      GrammarTrace* trace) const {
  const ConstraintVocabulary& v = *vocabulary_;
  GrammarState state;
  state.positions.push_back(position);
  auto mask = std::make_shared<Mask>();
  bool walk_plain = false;
  uint32_t characters = 0;  // plain tokens of up to so many fit
  switch (grammar_->text(position.node)) {
    case Grammar::Text::kOther:
      walk_plain = true;
      break;
    case Grammar::Text::kFreeText:
      characters = kUnbounded;
      break;
    case Grammar::Text::kCountedText: {
      const uint32_t may = grammar_->RoundsLeft(*position.stack.top()).second;
      characters = may == kUnbounded ? kUnbounded : may + 1;
      trace->lowest = position.stack.depth();
      break;
    }
  }
  if (characters > 0 && !v.plain_by_length_.empty()) {
    if (characters >= v.plain_by_length_.back().first) {
      mask->bits = v.plain_bits_;
    } else {
      for (const auto& [length, id] : v.plain_by_length_) {
        if (length > characters) break;
        mask->ids.push_back(id);
      }
    }
  }
  const auto found = [&](int32_t id) { mask->ids.push_back(id); };
  v.other_->Walk(*grammar_, state, trace, found);
  if (walk_plain) v.plain_->Walk(*grammar_, state, trace, found);
  if (!mask->bits.empty() || mask->ids.size() > 2 * v.words_) {
    mask->bits.resize(v.words_, 0);
    for (const int32_t id : std::exchange(mask->ids, {})) Set(&mask->bits, id);
  }
  return mask;
}

}  // namespace fulgur
