#include "engine/prefix_cache.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <list>
#include <map>
#include <utility>

#include "base/error.h"
#include "engine/spill_store.h"

namespace fulgur {
namespace {

using Ids = std::span<const int32_t>;

constexpr int64_t kKeepLookups = 16;  // look-ups for which a state that was read for a prompt waits for it

struct InOrder {
  using is_transparent = void;
  bool operator()(Ids a, Ids b) const { return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end()); }
};

int64_t CommonLength(Ids a, Ids b) { return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin(); }
Ids Skip(Ids ids, int64_t count) { return ids.subspan(static_cast<size_t>(count)); }
Ids First(Ids ids, int64_t count) { return ids.first(static_cast<size_t>(count)); }
int64_t Size(Ids ids) { return static_cast<int64_t>(ids.size()); }

// The entry of a map by ids whose key has the longest beginning in common with `ids`: a neighbour of where they would
// stand.
template <typename Map>
std::pair<typename Map::const_iterator, int64_t> Closest(const Map& map, Ids ids) {
  auto best = map.end();
  int64_t length = -1;
  const auto look = [&](typename Map::const_iterator it) {
    const int64_t common = CommonLength(it->first, ids);
    if (common > length) best = it, length = common;
  };
  const auto next = map.lower_bound(ids);
  if (next != map.end()) look(next);
  if (next != map.begin()) look(std::prev(next));
  return {best, length};
}

}  // namespace

struct PrefixCache::Impl {
  struct Node;
  struct Checkpoint {
    Checkpoint(Node* node, SequenceState state) : node(node), state(std::move(state)) {}
    Node* node;
    SequenceState state;  // without the full KV blocks, which are the nodes'
    size_t state_bytes = 0, kv_bytes = 0;
    double score = 0;  // at scored_at
    int64_t scored_at = 0;
    int64_t kept_until = 0;                     // look-ups: read from disk for a prompt that has not come yet
    std::list<Checkpoint*>::iterator position;  // in `all`
  };
  struct Node {
    Node* parent = nullptr;
    int64_t depth = 0;             // tokens from the root
    std::vector<int32_t> edge;     // the last of them, from the parent's depth
    SequenceState::Blocks blocks;  // theirs, by position and then by softmax layer
    std::map<std::vector<int32_t>, std::unique_ptr<Node>, InOrder> children;  // by the first block of their edge
    std::map<std::vector<int32_t>, std::unique_ptr<Checkpoint>, InOrder> checkpoints;  // by the tokens since `depth`
  };
  struct Found {
    Checkpoint* checkpoint = nullptr;
    int64_t length = 0;
  };

  Impl(const ModelConfig& config, PrefixCacheOptions options, std::function<void()> wake)
      : config(config), options(std::move(options)) {
    if (!(this->options.half_life > 0)) throw Error("half_life is {}; it must be above 0", this->options.half_life);
    if (this->options.interval < 0) throw Error("interval is {}; it must be at least 0", this->options.interval);
    if (this->options.min_tokens < 1) throw Error("min_tokens is {}; it must be at least 1", this->options.min_tokens);
    for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
      if (config.IsLightning(n)) has_lightning = true;
    }
    if (!this->options.spill_folder.empty()) {
      spill = std::make_unique<SpillStore>(config, this->options.spill_folder, this->options.spill_bytes,
                                           this->options.spill_queue_bytes, this->options.model_key, std::move(wake));
    }
  }

  bool enabled() const { return options.state_bytes > 0; }

  // The deepest node whose tokens the prompt begins with.
  Node* Walk(Ids prompt) const {
    Node* node = root.get();
    while (true) {
      const Ids rest = Skip(prompt, node->depth);
      if (Size(rest) < kBlock) return node;
      const auto child = node->children.find(First(rest, kBlock));
      if (child == node->children.end()) return node;
      const Ids edge = child->second->edge;
      if (CommonLength(edge, rest) < Size(edge)) return node;
      node = child->second.get();
    }
  }

  // How many of the prompt's first tokens the cache knows, whether or not there is a checkpoint to resume from.
  int64_t Known(Ids prompt) const {
    const Node* node = Walk(prompt);
    const Ids rest = Skip(prompt, node->depth);
    int64_t more = 0;
    if (!node->checkpoints.empty()) more = Closest(node->checkpoints, rest).second;
    if (!node->children.empty()) {
      const auto [child, common] = Closest(node->children, First(rest, std::min(Size(rest), kBlock)));
      more = std::max(more, common == kBlock ? CommonLength(child->second->edge, rest) : common);
    }
    return node->depth + more;
  }

  Checkpoint* AnyBelow(const Node& node) const {
    if (!node.checkpoints.empty()) return node.checkpoints.begin()->second.get();
    for (const auto& [first, child] : node.children) {
      if (Checkpoint* c = AnyBelow(*child)) return c;
    }
    return nullptr;
  }

  // The checkpoint that saves most of the prompt, and how much.
  Found Find(Ids prompt) const {
    const int64_t most = Size(prompt) - 1;  // the last token is processed: its logits are needed
    if (most <= 0) return {};
    const Node* node = Walk(First(prompt, most));
    if (!has_lightning) {  // KV can be cut anywhere, so any sequence that goes on from here will do
      Found best;
      const auto consider = [&](Checkpoint* c, int64_t length) {
        if (c != nullptr && length > best.length) best = {c, length};
      };
      const Ids rest = Skip(First(prompt, most), node->depth);
      if (!node->checkpoints.empty()) {
        const auto [it, common] = Closest(node->checkpoints, rest);
        consider(it->second.get(), node->depth + common);
      }
      if (!node->children.empty()) {
        const auto [it, common] = Closest(node->children, First(rest, std::min(Size(rest), kBlock)));
        consider(AnyBelow(*it->second),
                 node->depth + (common == kBlock ? CommonLength(it->second->edge, rest) : common));
      }
      return best;
    }
    for (; node != nullptr; node = node->parent) {
      if (node->checkpoints.empty()) continue;
      const auto [it, common] = Closest(node->checkpoints, First(Skip(prompt, node->depth), most - node->depth));
      return {it->second.get(), node->depth + common};
    }
    return {};
  }

  // The checkpoint's state with the KV blocks of its path.
  SequenceState Whole(const Checkpoint& c, SequenceState state) const {
    std::vector<const Node*> path;
    for (const Node* n = c.node; n->parent != nullptr; n = n->parent) path.push_back(n);
    SequenceState::Blocks blocks;
    for (auto n = path.rbegin(); n != path.rend(); ++n) {
      blocks.insert(blocks.end(), (*n)->blocks.begin(), (*n)->blocks.end());
    }
    state.PutFullBlocks(blocks);
    return state;
  }

  SequenceState Resume(const Found& found) const {
    SequenceState state = Whole(*found.checkpoint, found.checkpoint->state);
    state.Truncate(found.length);
    state.OwnLastBlocks();
    return state;
  }

  std::vector<int32_t> Tokens(const Checkpoint& c, Ids tail) const {
    std::vector<int32_t> tokens(static_cast<size_t>(c.node->depth));
    for (const Node* n = c.node; n->parent != nullptr; n = n->parent) {
      std::copy(n->edge.begin(), n->edge.end(), tokens.begin() + n->parent->depth);
    }
    tokens.insert(tokens.end(), tail.begin(), tail.end());
    return tokens;
  }

  double Score(const Checkpoint& c) const {
    return c.score * std::exp2(-static_cast<double>(clock - c.scored_at) / options.half_life);
  }
  void Use(Checkpoint& c) {
    c.score = Score(c) + 1;
    c.scored_at = clock;
    c.kept_until = 0;
  }

  // Tokens that would have to be processed again without it.
  int64_t Saves(const Checkpoint& c) const {
    if (c.node->checkpoints.size() > 1) return c.state.length() - c.node->depth;
    for (const Node* n = c.node->parent; n != nullptr; n = n->parent) {
      if (!n->checkpoints.empty()) return c.state.length() - n->depth;
    }
    return c.state.length();
  }

  size_t BlockBytes(const Node& node) const { return node.blocks.size() * block_bytes; }

  // KV bytes that go with the last checkpoint of a leaf.
  size_t LeafBytes(const Node& leaf) const {
    size_t bytes = BlockBytes(leaf);
    const Node* n = &leaf;
    while (n->parent != nullptr && n->parent->checkpoints.empty() && n->parent->children.size() == 1) {
      n = n->parent;
      bytes += BlockBytes(*n);
    }
    return bytes;
  }

  // The node at a multiple of kBlock, made if it is not there; blocks are those of the tokens.
  Node* NodeAt(Ids tokens, SequenceState::Blocks blocks) {
    const size_t layers = tokens.empty() ? 0 : blocks.size() / (tokens.size() / kBlock);
    Node* node = root.get();
    while (node->depth < Size(tokens)) {
      const Ids rest = Skip(tokens, node->depth);
      const auto it = node->children.find(First(rest, kBlock));
      const std::vector<int32_t> key(rest.begin(), rest.begin() + kBlock);
      if (it == node->children.end()) {
        auto child = std::make_unique<Node>();
        child->parent = node;
        child->depth = Size(tokens);
        child->edge.assign(rest.begin(), rest.end());
        child->blocks.assign(blocks.begin() + node->depth / kBlock * static_cast<int64_t>(layers), blocks.end());
        kv_bytes += BlockBytes(*child);
        ++nodes;
        return node->children.emplace(key, std::move(child)).first->second.get();
      }
      Node* child = it->second.get();
      const int64_t common = CommonLength(child->edge, rest) / kBlock * kBlock;
      if (common < Size(child->edge)) {  // the child's beginning becomes a node between
        auto upper = std::make_unique<Node>();
        upper->parent = node;
        upper->depth = node->depth + common;
        const auto cut = child->edge.begin() + common;
        upper->edge.assign(child->edge.begin(), cut);
        child->edge.erase(child->edge.begin(), cut);
        const auto cut_blocks = child->blocks.begin() + common / kBlock * static_cast<int64_t>(layers);
        upper->blocks.assign(child->blocks.begin(), cut_blocks);
        child->blocks.erase(child->blocks.begin(), cut_blocks);
        child->parent = upper.get();
        std::unique_ptr<Node> lower = std::move(it->second);
        const std::vector<int32_t> lower_key(lower->edge.begin(), lower->edge.begin() + kBlock);
        upper->children.emplace(lower_key, std::move(lower));
        it->second = std::move(upper);
        ++nodes;
        child = it->second.get();
      }
      node = child;
    }
    return node;
  }

  // Takes nodes away that no checkpoint needs, from this one up.
  void Prune(Node* node) {
    while (node->parent != nullptr && node->checkpoints.empty() && node->children.size() <= 1) {
      Node* parent = node->parent;
      const auto at = parent->children.find(First(node->edge, kBlock));
      --nodes;
      if (node->children.empty()) {
        kv_bytes -= BlockBytes(*node);
        parent->children.erase(at);
        node = parent;
        continue;
      }
      // One child, no checkpoint: the two edges become one.
      std::unique_ptr<Node> child = std::move(node->children.begin()->second);
      child->edge.insert(child->edge.begin(), node->edge.begin(), node->edge.end());
      child->blocks.insert(child->blocks.begin(), node->blocks.begin(), node->blocks.end());
      child->parent = parent;
      at->second = std::move(child);
      return;
    }
  }

  void Remove(Checkpoint* c, Ids tail, bool prune = true) {
    Node* node = c->node;
    state_bytes -= c->state_bytes;
    kv_bytes -= c->kv_bytes;
    all.erase(c->position);
    node->checkpoints.erase(node->checkpoints.find(tail));
    if (prune) Prune(node);
  }

  // The tokens of a checkpoint since its node.
  const std::vector<int32_t>& Tail(const Checkpoint& c) const {
    for (const auto& [tail, checkpoint] : c.node->checkpoints) {
      if (checkpoint.get() == &c) return tail;
    }
    FULGUR_CHECK(false, "a checkpoint without a node");
    std::abort();
  }

  void Spill(const Checkpoint& c, SequenceState state, bool even_if_full) {
    spill->Write(Tokens(c, Tail(c)), Whole(c, std::move(state)), c.state_bytes + c.kv_bytes, even_if_full);
  }

  void Evict() {
    while (!all.empty() && (state_bytes > options.state_bytes || kv_bytes > options.kv_bytes)) {
      const bool kv = kv_bytes > options.kv_bytes;
      Checkpoint* worst = nullptr;
      double lowest = std::numeric_limits<double>::infinity();
      for (Checkpoint* c : all) {
        if (c->kept_until > clock) continue;
        double bytes = static_cast<double>(c->state_bytes);
        if (kv) {
          if (!c->node->children.empty()) continue;
          bytes = static_cast<double>(c->kv_bytes) +
                  static_cast<double>(LeafBytes(*c->node)) / static_cast<double>(c->node->checkpoints.size());
        }
        const double value = static_cast<double>(Saves(*c)) * Score(*c) / std::max(bytes, 1.0);
        if (value < lowest) lowest = value, worst = c;
      }
      if (worst == nullptr) {  // all that could go is kept for someone: the last one stays, even if it is too large
        bool more = false;
        for (Checkpoint* c : all) {
          if (c == all.back() || c->kept_until <= clock) continue;
          c->kept_until = 0;
          more = true;
        }
        if (!more) return;
        continue;
      }
      if (spill) Spill(*worst, std::move(worst->state), /*even_if_full=*/false);
      const std::vector<int32_t> tail = Tail(*worst);
      Remove(worst, tail);
      ++evicted;
    }
  }

  void Insert(Ids tokens, SequenceState state, bool keep = false) {
    FULGUR_CHECK(Size(tokens) >= state.length(), "{} tokens for a state of {}", tokens.size(), state.length());
    if (!enabled() || state.length() == 0) return;
    const int64_t depth = state.chunk_start();
    const Ids tail = First(Skip(tokens, depth), state.length() - depth);
    state.OwnLastBlocks();
    const size_t whole_bytes = state.bytes();
    SequenceState::Blocks blocks = state.TakeFullBlocks();
    const size_t bytes = state.bytes();
    if (!blocks.empty()) block_bytes = (whole_bytes - bytes) / blocks.size();
    size_t lightning = 0;
    for (int64_t n = 0; n < config.num_hidden_layers; ++n) {
      const SequenceState::Lightning& m = state.layer(n).lightning;
      lightning += (m.state.size() + m.k.size() + m.v.size()) * sizeof(float);
    }

    Node* node = NodeAt(First(tokens, depth), std::move(blocks));
    double score = 0;
    const auto next = node->checkpoints.lower_bound(tail);
    if (next != node->checkpoints.end() && CommonLength(next->first, tail) == Size(tail)) {
      Use(*next->second);  // it can go back to this one
      return;
    }
    if (next != node->checkpoints.begin()) {
      const auto before = std::prev(next);
      if (CommonLength(before->first, tail) == Size(before->first)) {  // the new one can go back to it
        score = Score(*before->second);
        const std::vector<int32_t> old = before->first;
        Remove(before->second.get(), old, /*prune=*/false);
      }
    }
    auto checkpoint = std::make_unique<Checkpoint>(node, std::move(state));
    checkpoint->state_bytes = lightning;
    checkpoint->kv_bytes = bytes - lightning;
    checkpoint->score = score + 1;
    checkpoint->scored_at = clock;
    if (keep) checkpoint->kept_until = clock + kKeepLookups;
    checkpoint->position = all.insert(all.end(), checkpoint.get());
    state_bytes += checkpoint->state_bytes;
    kv_bytes += checkpoint->kv_bytes;
    node->checkpoints.emplace(std::vector<int32_t>(tail.begin(), tail.end()), std::move(checkpoint));
    ++inserted;
    Evict();
  }

  void Collect() {
    if (!spill) return;
    for (SpillStore::Restored& r : spill->Collect()) Insert(r.tokens, std::move(r.state), /*keep=*/true);
  }

  const ModelConfig config;
  PrefixCacheOptions options;
  bool has_lightning = false;
  std::unique_ptr<Node> root = std::make_unique<Node>();
  std::list<Checkpoint*> all;
  int64_t clock = 0;  // look-ups
  int64_t nodes = 0;
  size_t block_bytes = 0;  // of one KV block of one layer
  size_t state_bytes = 0, kv_bytes = 0;
  int64_t hits = 0, lookup_tokens = 0, hit_tokens = 0, inserted = 0, evicted = 0;
  std::unique_ptr<SpillStore> spill;
};

PrefixCacheOptions SplitCacheMemory(const ModelConfig& config, KvFormat kv_format, size_t bytes,
                                    PrefixCacheOptions options) {
  // What a state of one whole block holds, by kind.
  SequenceState state(config, kv_format);
  const double lightning = static_cast<double>(state.bytes());
  state.Reserve(config, kBlock);
  const double blocks = static_cast<double>(options.interval > 0 ? options.interval : 4096) / kBlock;
  const double kv = (static_cast<double>(state.bytes()) - lightning) * blocks;
  options.state_bytes = static_cast<size_t>(static_cast<double>(bytes) * lightning / (lightning + kv));
  if (bytes > 0) options.state_bytes = std::max<size_t>(options.state_bytes, 1);  // 0 would turn the cache off
  options.kv_bytes = bytes - options.state_bytes;
  return options;
}

PrefixCache::PrefixCache(const ModelConfig& config, PrefixCacheOptions options, std::function<void()> wake)
    : impl_(std::make_unique<Impl>(config, std::move(options), std::move(wake))) {}

PrefixCache::~PrefixCache() = default;

bool PrefixCache::enabled() const { return impl_->enabled(); }

bool PrefixCache::Prepare(Ids prompt) {
  Impl& m = *impl_;
  if (!m.spill || !m.enabled()) return true;
  m.Collect();
  const SpillStore::Match match = m.spill->Find(prompt);
  if (match.length < Match(prompt) + m.options.min_tokens) return true;
  m.spill->Read(match.name);
  return false;
}

std::optional<SequenceState> PrefixCache::Lookup(Ids prompt) {
  Impl& m = *impl_;
  m.Collect();
  ++m.clock;
  m.lookup_tokens += Size(prompt);
  const Impl::Found found = m.Find(prompt);
  if (found.length == 0) return std::nullopt;
  ++m.hits;
  m.hit_tokens += found.length;
  m.Use(*found.checkpoint);
  return m.Resume(found);
}

std::optional<SequenceState> PrefixCache::Peek(Ids prompt) const {
  const Impl::Found found = impl_->Find(prompt);
  if (found.length == 0) return std::nullopt;
  return impl_->Resume(found);
}

int64_t PrefixCache::Match(Ids prompt) const { return impl_->Find(prompt).length; }

std::vector<int64_t> PrefixCache::Checkpoints(Ids prompt, int64_t begun, std::span<const int64_t> hints) const {
  const Impl& m = *impl_;
  if (!m.enabled()) return {};
  const int64_t length = Size(prompt);
  std::vector<int64_t> wanted(hints.begin(), hints.end());
  wanted.push_back(m.Known(prompt));
  if (m.options.interval > 0) {
    for (int64_t p = (begun / m.options.interval + 1) * m.options.interval; p < length; p += m.options.interval) {
      wanted.push_back(p);
    }
  }
  wanted.push_back(length);
  std::sort(wanted.begin(), wanted.end());
  std::vector<int64_t> positions;
  int64_t last = begun;
  for (const int64_t p : wanted) {
    if (p < last + m.options.min_tokens || p > length) continue;
    positions.push_back(p);
    last = p;
  }
  return positions;
}

void PrefixCache::Insert(Ids tokens, SequenceState state) { impl_->Insert(tokens, std::move(state)); }

void PrefixCache::Clear(std::string model_key) {
  Impl& m = *impl_;
  m.all.clear();
  m.root = std::make_unique<Impl::Node>();
  m.nodes = 0;
  m.state_bytes = m.kv_bytes = 0;
  if (m.spill) m.spill->Clear(model_key);
  m.options.model_key = std::move(model_key);
}

void PrefixCache::SpillAll() {
  Impl& m = *impl_;
  if (!m.spill) return;
  // The most valuable are written last, so that they stay if not all fit.
  std::vector<Impl::Checkpoint*> order(m.all.begin(), m.all.end());
  std::sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
    return static_cast<double>(m.Saves(*a)) * m.Score(*a) < static_cast<double>(m.Saves(*b)) * m.Score(*b);
  });
  for (const Impl::Checkpoint* c : order) m.Spill(*c, c->state, /*even_if_full=*/true);
  m.spill->Wait();
  m.Collect();
}

PrefixCacheStats PrefixCache::stats() const {
  const Impl& m = *impl_;
  PrefixCacheStats s;
  s.lookups = m.clock;
  s.hits = m.hits;
  s.lookup_tokens = m.lookup_tokens;
  s.hit_tokens = m.hit_tokens;
  s.checkpoints = static_cast<int64_t>(m.all.size());
  s.nodes = m.nodes;
  s.state_bytes = m.state_bytes;
  s.kv_bytes = m.kv_bytes;
  s.inserted = m.inserted;
  s.evicted = m.evicted;
  if (m.spill) {
    s.spill_files = m.spill->files();
    s.spilled = m.spill->written();
    s.restored = m.spill->restored();
    s.spill_damaged = m.spill->damaged();
    s.spill_dropped = m.spill->dropped();
    s.spill_bytes = m.spill->bytes();
  }
  return s;
}

}  // namespace fulgur
