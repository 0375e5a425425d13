// Matrices of numbers: a view of one that lies somewhere in memory, and memory for one that is used again and again.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/aligned.h"
#include "base/error.h"

namespace fulgur {

// `count` rows from `first` on.
struct RowRange {
  int64_t first, count;
  int64_t end() const { return first + count; }
};

// Rows of `cols` elements, each `stride` elements after the one before. Owns nothing; copying it copies no element.
template <typename T>
struct MatrixViewOf {
  T* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  MatrixViewOf() = default;
  MatrixViewOf(T* at, int64_t m, int64_t n) : MatrixViewOf(at, m, n, n) {}
  MatrixViewOf(T* at, int64_t m, int64_t n, int64_t row_stride) : data(at), rows(m), cols(n), stride(row_stride) {}
  // Of what may be written, a view that only reads.
  template <typename U>
  requires(std::is_same_v<T, const U>)
      MatrixViewOf(const MatrixViewOf<U>& other)  // NOLINT(google-explicit-constructor): as of pointers
      : MatrixViewOf(other.data, other.rows, other.cols, other.stride) {}

  bool empty() const { return data == nullptr; }
  bool contiguous() const { return stride == cols || rows <= 1; }
  T* row(int64_t i) const { return data + i * stride; }
  T& operator()(int64_t i, int64_t j) const { return data[i * stride + j]; }

  MatrixViewOf Rows(RowRange range) const {
    FULGUR_CHECK(range.first >= 0 && range.count >= 0 && range.end() <= rows);
    return {row(range.first), range.count, cols, stride};
  }
  MatrixViewOf Cols(int64_t first, int64_t count) const {
    FULGUR_CHECK(first >= 0 && count >= 0 && first + count <= cols);
    return {data + first, rows, count, stride};
  }
};
using MatrixView = MatrixViewOf<float>;
using ConstMatrixView = MatrixViewOf<const float>;

// A matrix that keeps its memory when it becomes smaller, so that using it again costs no allocation.
template <typename T = float>
class MatrixBuffer {
 public:
  // What it holds afterwards is not defined.
  void Resize(int64_t rows, int64_t cols) {
    if (memory_.size() < static_cast<size_t>(rows * cols)) memory_.resize(static_cast<size_t>(rows * cols));
    rows_ = rows;
    cols_ = cols;
  }

  bool empty() const { return rows_ == 0; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  MatrixViewOf<T> view() { return {memory_.data(), rows_, cols_}; }
  MatrixViewOf<const T> view() const { return {memory_.data(), rows_, cols_}; }
  MatrixViewOf<T> Rows(RowRange range) { return view().Rows(range); }
  MatrixViewOf<const T> Rows(RowRange range) const { return view().Rows(range); }
  operator MatrixViewOf<T>() { return view(); }              // NOLINT(google-explicit-constructor)
  operator MatrixViewOf<const T>() const { return view(); }  // NOLINT(google-explicit-constructor)

 private:
  AlignedVector<T> memory_;
  int64_t rows_ = 0, cols_ = 0;
};

}  // namespace fulgur
