// Exact rationals (GMP) and complex floating point of chosen precision (MPC).
#pragma once

#include <gmpxx.h>
#include <mpc.h>

#include <utility>

namespace fulgur {

using Rational = mpq_class;
using Integer = mpz_class;

inline bool IsWhole(const Rational& value) { return value.get_den() == 1; }

// A complex number of fixed precision in bits. A thin owner of an mpc_t; operations are MPC's own functions on get().
class BigComplex {
 public:
  explicit BigComplex(mpfr_prec_t precision) { mpc_init2(z_, precision), mpc_set_ui(z_, 0, MPC_RNDNN); }
  BigComplex(const BigComplex& other) {
    mpc_init2(z_, other.precision());
    mpc_set(z_, other.z_, MPC_RNDNN);
  }
  BigComplex& operator=(const BigComplex& other) {
    if (this != &other) mpc_set_prec(z_, other.precision()), mpc_set(z_, other.z_, MPC_RNDNN);
    return *this;
  }
  ~BigComplex() { mpc_clear(z_); }

  mpc_ptr get() { return z_; }
  mpc_srcptr get() const { return z_; }
  mpfr_ptr re() { return mpc_realref(z_); }
  mpfr_srcptr re() const { return mpc_realref(z_); }
  mpfr_ptr im() { return mpc_imagref(z_); }
  mpfr_srcptr im() const { return mpc_imagref(z_); }
  mpfr_prec_t precision() const { return mpfr_get_prec(mpc_realref(z_)); }

  bool IsFinite() const { return mpfr_number_p(re()) != 0 && mpfr_number_p(im()) != 0; }
  bool IsReal() const { return mpfr_zero_p(im()) != 0; }
  bool IsZero() const { return mpfr_zero_p(re()) != 0 && mpfr_zero_p(im()) != 0; }
  // floor(log2) of the larger part, + 1; a very negative number for 0. Not for infinities.
  mpfr_exp_t Exponent() const {
    const mpfr_exp_t none = -(mpfr_exp_t{1} << 60);
    const mpfr_exp_t a = mpfr_zero_p(re()) ? none : mpfr_get_exp(re());
    const mpfr_exp_t b = mpfr_zero_p(im()) ? none : mpfr_get_exp(im());
    return a > b ? a : b;
  }

 private:
  mpc_t z_;
};

}  // namespace fulgur
