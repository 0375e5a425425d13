// Memory for values that live no longer than the call that makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "base/error.h"

namespace fulgur {

// The memory of one thread: calls take from its top and give back in reverse order. It keeps what it once needed, so
// that later calls allocate nothing.
class ScratchStack {
 public:
  // 64-byte aligned; what it holds is not defined.
  void* Take(size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    if (static_cast<size_t>(end_ - mark_.top) < bytes) return TakeFromNextBlock(bytes);
    return std::exchange(mark_.top, mark_.top + bytes);
  }

  struct Mark {
    size_t block = 0;
    std::byte* top = nullptr;  // null: no block yet
  };
  Mark mark() const { return mark_; }
  // All that was taken since.
  void GiveBack(Mark mark) {
    if (blocks_.size() > 1 || mark.top == nullptr) return GiveBackBlocks(mark);
    mark_.top = mark.top;
  }

  int scopes = 0;  // calls that hold a Scratch of it now, one within the other

 private:
  void* TakeFromNextBlock(size_t bytes);
  void GiveBackBlocks(Mark mark);
  void Use(size_t block, std::byte* top);

  std::vector<AlignedVector<std::byte>> blocks_;  // more than one only until all has been given back
  Mark mark_;                                     // blocks before mark_.block are full
  std::byte* end_ = nullptr;                      // of the block at the mark
};

// What one call takes; given back when it ends.
class Scratch {
 public:
  explicit Scratch(ScratchStack& stack) : stack_(stack), mark_(stack.mark()), scope_(++stack.scopes) {}
  ~Scratch() {
    --stack_.scopes;
    stack_.GiveBack(mark_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // n of them, not initialised. While a call that this one makes has scratch of its own, nothing can be taken here.
  template <typename T>
  T* Take(int64_t n) {
    FULGUR_CHECK(stack_.scopes == scope_);
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);
    return static_cast<T*>(stack_.Take(static_cast<size_t>(n) * sizeof(T)));
  }

 private:
  ScratchStack& stack_;
  ScratchStack::Mark mark_;
  int scope_;
};

// A list that grows in scratch.
template <typename T>
class ScratchList {
 public:
  explicit ScratchList(Scratch& scratch) : scratch_(scratch) {}

  void push_back(const T& value) {
    if (size_ == capacity_) Grow();
    new (data_ + size_++) T(value);
  }
  void clear() { size_ = 0; }
  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  operator std::span<const T>() const { return {data_, static_cast<size_t>(size_)}; }  // NOLINT

 private:
  void Grow() {
    capacity_ = capacity_ == 0 ? 16 : 2 * capacity_;
    T* const larger = scratch_.template Take<T>(capacity_);
    for (int64_t i = 0; i < size_; ++i) new (larger + i) T(data_[i]);
    data_ = larger;
  }

  Scratch& scratch_;
  T* data_ = nullptr;
  int64_t size_ = 0, capacity_ = 0;
};

}  // namespace fulgur
