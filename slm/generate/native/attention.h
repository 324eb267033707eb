// Attention of one query over a slot's keys and values, and the activation functions of the MLP.
#pragma once

#include "matrix.h"

inline Floats silu(Floats x) { return x / (1.0f + exponential(-x)); }

// In its tanh form: 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
inline Floats gelu(Floats x) {
  const Floats u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
  return x / (1.0f + exponential(-2.0f * u));
}

// scores[t] = scale * query . keys[t], for rows of `stride` numbers; stride is a multiple of 2 LANES.
inline void score(const float* query, const float* keys, int seen, int stride, float scale, float* scores) {
  for (int t = 0; t < seen; t++, keys += stride) {
    Floats even{}, odd{};
    for (int i = 0; i < stride; i += 2 * LANES) {
      even += load<Floats>(query + i) * load<Floats>(keys + i);
      odd += load<Floats>(query + i + LANES) * load<Floats>(keys + i + LANES);
    }
    scores[t] = scale * sum_of(even + odd);
  }
}

inline void score(const float* query, const uint16_t* keys, int seen, int stride, float scale, float* scores) {
#if defined(__AVX512BF16__)
  uint16_t rounded[1024 + 2 * LANES];
  for (int i = 0; i < stride; i += LANES) store(rounded + i, to_bfloat16(load<Floats>(query + i)));
  for (int t = 0; t < seen; t++, keys += stride) {
    Floats sums{};
    for (int i = 0; i < stride; i += 2 * LANES)
      sums = _mm512_dpbf16_ps(sums, load<__m512bh>(rounded + i), load<__m512bh>(keys + i));
    scores[t] = scale * sum_of(sums);
  }
#else
  for (int t = 0; t < seen; t++, keys += stride) {
    Floats sums{};
    for (int i = 0; i < stride; i += LANES) sums += load<Floats>(query + i) * load_floats(keys + i);
    scores[t] = scale * sum_of(sums);
  }
#endif
}

// exp(score - largest) in place of the scores; returns their sum. There is room for LANES more.
inline float softmax_numerators(float* scores, int n) {
  for (int t = n; t < round_up(n, LANES); t++) scores[t] = -INFINITY;
  Floats largest = all(-INFINITY), total{};
  for (int t = 0; t < n; t += LANES) largest = larger(load<Floats>(scores + t), largest);
  const Floats top = all(largest_of(largest));
  for (int t = 0; t < n; t += LANES) {
    const Floats shifted = load<Floats>(scores + t) - top;
    const Floats power = choose(shifted < -87.0f, Floats{}, exponential(shifted));
    store(scores + t, power);
    total += power;
  }
  return sum_of(total);
}

// mixed = sum of weights[t] * values[t] / total, for N vectors of each row.
template <int N, class Cache>
inline void mix_values(const float* weights, const Cache* values, int seen, int stride, float total, float* mixed) {
  Floats sums[N] = {};
  for (int t = 0; t < seen; t++, values += stride)
    for (int v = 0; v < N; v++) sums[v] += weights[t] * load_floats(values + v * LANES);
  const float share = 1.0f / total;
  for (int v = 0; v < N; v++) store(mixed + v * LANES, sums[v] * share);
}
