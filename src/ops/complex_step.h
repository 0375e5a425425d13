// Gradients for tests by the complex step (Squire and Trapp 1998): for an analytic f, Im f(x + ih) / h = f'(x) +
// O(h^2). Nothing is subtracted, so with h = 1e-30 the result is exact to the rounding of double. The references
// (*_ref.h) are templates so that they can be run on std::complex<double>.
#pragma once

#include <complex>
#include <vector>

namespace fulgur {

using Complex = std::complex<double>;

// The gradient at x of f, a function from std::vector<Complex> to Complex.
template <typename F>
std::vector<double> ComplexStepGradient(const F& f, const std::vector<double>& x) {
  constexpr double kStep = 1e-30;
  std::vector<Complex> point(x.begin(), x.end());
  std::vector<double> gradient;
  for (size_t i = 0; i < x.size(); ++i) {
    point[i] = Complex(x[i], kStep);
    gradient.push_back(f(point).imag() / kStep);
    point[i] = x[i];
  }
  return gradient;
}

}  // namespace fulgur
