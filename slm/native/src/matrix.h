// Weights packed once for the products of decoding, in float32, bfloat16 or 8-bit integers.
//
// A matrix [outputs, inputs] is cut into panels of PANEL outputs. Within a panel the weights lie in
// the order in which a product reads them: for each group of inputs, the group's weights of every
// output. A group is 1 input in float32, 2 in bfloat16, 4 in int8: what one lane of a dot-product
// instruction takes. So one row of activations streams through the weights once, front to back, and
// several rows share each weight that is loaded.
//
// Every output of every row is summed in the same order, however many rows are computed together
// and by whichever thread: a text's numbers do not depend on the texts beside it.
#pragma once

#include "memory.h"
#include "tiles.h"
#include "vectors.h"

enum class Format { float32 = 0, bfloat16 = 1, int8 = 2 };

constexpr int VECTORS = 4;                // of sums, for each row
constexpr int PANEL = VECTORS * LANES;    // outputs that are computed together
#if defined(HAVE_TILES)
constexpr int INPUT_STEP = 64;            // inputs are padded with zeros to a multiple of this
#else
constexpr int INPUT_STEP = 16;
#endif
constexpr int SCALED_INPUTS = 128;        // activations that share a scale in int8

#if defined(__AVX512BF16__)
constexpr bool DOT_BFLOAT16 = true;
#else
constexpr bool DOT_BFLOAT16 = false;      // then activations stay float32 beside bfloat16 weights
#endif
// Loops over rows and vectors disappear, so that their sums are registers and not an array.
#define ALL _Pragma("GCC unroll 16")
#define INLINED inline __attribute__((always_inline))

// Rows of activations in the form that products with a format's weights take.
class Activations {
 public:
  void resize(Format format, int rows, int most_inputs) {
    format_ = format;
    stride_ = round_up(most_inputs, INPUT_STEP);
    n_scales_ = (stride_ + SCALED_INPUTS - 1) / SCALED_INPUTS;
    values_.resize(size_t(rows) * stride_ * sizeof(float));
    scales_.resize(size_t(rows) * n_scales_ * sizeof(float));
    offsets_.resize(size_t(rows) * n_scales_ * sizeof(int32_t));
  }

  template <class Item>
  const Item* row(int row) const { return values_.as<Item>() + size_t(row) * stride_; }
  const float* scales(int row) const { return scales_.as<float>() + size_t(row) * n_scales_; }
  const int32_t* offsets(int row) const { return offsets_.as<int32_t>() + size_t(row) * n_scales_; }
  int stride() const { return stride_; }  // from row to row, in items

  // Take over a row of `inputs` numbers, padded with zeros to a multiple of INPUT_STEP.
  void set(int row, const float* x, int inputs) {
    const size_t start = size_t(row) * stride_;
    const int padded = round_up(inputs, INPUT_STEP);
    if (format_ == Format::bfloat16 && DOT_BFLOAT16) {
      for (int i = 0; i < padded; i += LANES)
        store(values_.as<uint16_t>() + start + i, to_bfloat16(load<Floats>(x + i)));
    } else if (format_ == Format::int8 && DOT_INT8) {
      for (int i = 0; i < padded; i += SCALED_INPUTS)
        quantise(row, i, std::min(padded, i + SCALED_INPUTS), x);
    } else {
      std::memcpy(values_.as<float>() + start, x, padded * sizeof(float));
    }
  }

 private:
  // Whole numbers from -127 to 127 times a scale. The weights are stored with 128 added, as the
  // instruction wants one factor unsigned; the offset takes that out again.
  void quantise(int row, int first, int last, const float* x) {
    const float scale = scale_of(x + first, last - first);
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    Ints sums{};
    Small* to = values_.as<Small>() + size_t(row) * stride_;
    for (int i = first; i < last; i += LANES) {
      const Ints whole = nearest(load<Floats>(x + i) * inverse);
      sums += whole;
      store_small(to + i, whole);
    }
    int32_t sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
    const size_t s = size_t(row) * n_scales_ + first / SCALED_INPUTS;
    scales_.as<float>()[s] = scale;
    offsets_.as<int32_t>()[s] = -128 * sum;
  }

  Format format_ = Format::float32;
  int stride_ = 0, n_scales_ = 0;
  Block values_, scales_, offsets_;
};

class Matrix {
 public:
  void resize(Format format, int inputs, int panels, LargePages& memory) {
    format_ = format;
    inputs_ = round_up(inputs, INPUT_STEP);
    panels_ = panels;
    item_ = format == Format::float32 ? 4 : format == Format::bfloat16 ? 2 : 1;
    use_tiles_ = format != Format::float32 && ask_for_tiles();
    const size_t outputs = size_t(panels) * PANEL, bytes = outputs * inputs_ * item_;
    weights_ = memory.take(bytes);
    biases_ = reinterpret_cast<float*>(memory.take(outputs * sizeof(float)));
    if (format == Format::int8) {
      scales_ = reinterpret_cast<float*>(memory.take(outputs * sizeof(float)));
      std::memset(weights_, 128, bytes);
    }
  }

  int panels() const { return panels_; }
  const float* biases(int panel) const { return biases_ + size_t(panel) * PANEL; }

  // Take over rows of float32 weights, PANEL rows to a panel: first_panel, + step, + 2 step, ...
  void pack(const float* weights, int rows, int inputs, int first_panel, int step) {
    for (int row = 0; row < rows; row++) {
      const int output = (first_panel + row / PANEL * step) * PANEL + row % PANEL;
      const float* from = weights + size_t(row) * inputs;
      float scale = 0;
      if (format_ == Format::int8) {
        for (int i = 0; i < inputs; i++) scale = std::max(scale, std::fabs(from[i]));
        scale /= 127.0f;
        scales_[output] = scale;
      }
      for (int i = 0; i < inputs; i++) {
        const size_t place = place_of(output, i);
        if (format_ == Format::float32) items<float>()[place] = from[i];
        if (format_ == Format::bfloat16) items<uint16_t>()[place] = to_bfloat16(from[i]);
        if (format_ == Format::int8)
          weights_[place] =
              uint8_t(128 + (scale > 0 ? std::lrint(from[i] / scale) : 0));
      }
    }
  }

  void set_biases(const float* biases, int rows, int first_panel, int step) {
    for (int row = 0; row < rows; row++)
      biases_[(first_panel + row / PANEL * step) * PANEL + row % PANEL] = biases[row];
  }

  // The weights of one output, as an embedding table is read.
  void unpack(int output, int inputs, float* to) const {
    for (int i = 0; i < inputs; i++) {
      const size_t place = place_of(output, i);
      if (format_ == Format::float32) to[i] = items<float>()[place];
      if (format_ == Format::bfloat16) to[i] = from_bfloat16(items<uint16_t>()[place]);
      if (format_ == Format::int8)
        to[i] = scales_[output] * (int(weights_[place]) - 128);
    }
  }

  // Products of all rows with a panel: use(row, sums), the sums being PANEL numbers with biases.
  template <class Use>
  void multiply(const Activations& x, int n_rows, int panel, const Use& use) const {
    switch (format_) {
      case Format::float32: return by_rows<Format::float32>(x, n_rows, panel, use);
      case Format::bfloat16: return by_rows<Format::bfloat16>(x, n_rows, panel, use);
      case Format::int8: return by_rows<Format::int8>(x, n_rows, panel, use);
    }
  }

 private:
  size_t place_of(int output, int input) const {
    const int group = 4 / item_;
    const size_t panel_start = size_t(output / PANEL) * PANEL * inputs_;
    return panel_start + (size_t(input / group) * PANEL + output % PANEL) * group + input % group;
  }

  template <class Item>
  Item* items() const { return reinterpret_cast<Item*>(weights_); }

  template <Format F, class Use>
  void by_rows(const Activations& x, int n_rows, int panel, const Use& use) const {
    int row = 0;
#if defined(HAVE_TILES)
    // Rows beyond the last are computed too, from what lies in their place, and not looked at.
    if constexpr (F != Format::float32)
      if (use_tiles_ && (F == Format::bfloat16 || n_rows >= ROWS_WORTH_TILES)) {
        for (; row < n_rows; row += TILE_ROWS)
          tiles<F>(x, row, std::min(TILE_ROWS, n_rows - row), panel, use);
        return;
      }
#endif
    for (; row + ROWS_AT_ONCE <= n_rows; row += ROWS_AT_ONCE)
      block<F, ROWS_AT_ONCE>(x, row, panel, use);
    rest<F, ROWS_AT_ONCE - 1>(x, row, n_rows - row, panel, use);
  }

  template <Format F, int ROWS, class Use>
  void rest(const Activations& x, int row, int n_rows, int panel, const Use& use) const {
    if constexpr (ROWS > 0) {
      if (n_rows == ROWS) return block<F, ROWS>(x, row, panel, use);
      rest<F, ROWS - 1>(x, row, n_rows, panel, use);
    }
  }

  template <Format F, int ROWS, class Use>
  void block(const Activations& x, int first, int panel, const Use& use) const {
    Floats sums[ROWS][VECTORS] = {};
    const uint32_t* weights = reinterpret_cast<const uint32_t*>(start_of(panel));
    if constexpr (F == Format::float32) sum_float32<ROWS>(weights, inputs_, x, first, sums);
    if constexpr (F == Format::bfloat16) sum_bfloat16<ROWS>(weights, inputs_, x, first, sums);
    if constexpr (F == Format::int8) sum_int8<ROWS>(weights, inputs_, x, first, sums);
    for (int r = 0; r < ROWS; r++) finish<F>(sums[r], first + r, panel, use);
  }

  const uint8_t* start_of(int panel) const { return weights_ + size_t(panel) * PANEL * inputs_ * item_; }

  template <Format F, class Use>
  INLINED void finish(const Floats (&sums)[VECTORS], int row, int panel, const Use& use) const {
    const float* bias = biases(panel);
    const float* scale = scales_ + size_t(panel) * PANEL;
    float finished[PANEL];
    for (int v = 0; v < VECTORS; v++) {
      Floats sum = sums[v];
      if constexpr (F == Format::int8) sum *= load<Floats>(scale + v * LANES);
      store(finished + v * LANES, sum + load<Floats>(bias + v * LANES));
    }
    use(row, finished);
  }

  // The sum so far and that of the next SCALED_INPUTS.
  static INLINED Floats add_scaled(Floats sum, Ints whole, float scale) {
    return sum + floats_of(whole) * scale;
  }

#if defined(HAVE_TILES)
  static constexpr int ROWS_WORTH_TILES = 6;  // in int8

  template <Format F, class Use>
  void tiles(const Activations& x, int first, int n_rows, int panel, const Use& use) const {
    const uint8_t* weights = start_of(panel);
    if constexpr (F == Format::bfloat16) {
      alignas(64) Floats sums[VECTORS][TILE_ROWS];
      sum_tiles<false>(x.row<uint16_t>(first), x.stride() * sizeof(uint16_t), weights,
                       inputs_ * 2 / TILE_BYTES, sums);
      for (int r = 0; r < n_rows; r++) {
        const Floats row[VECTORS] = {sums[0][r], sums[1][r], sums[2][r], sums[3][r]};
        finish<F>(row, first + r, panel, use);
      }
    } else {
      alignas(64) Ints whole[VECTORS][TILE_ROWS];
      Floats sums[TILE_ROWS][VECTORS] = {};
      for (int s = 0, i = 0; i < inputs_; s++, i += SCALED_INPUTS) {
        const int steps = std::min(SCALED_INPUTS, inputs_ - i) / TILE_BYTES;
        sum_tiles<true>(x.row<int8_t>(first) + i, x.stride(), weights + size_t(i) * PANEL, steps, whole);
        for (int r = 0; r < n_rows; r++) {
          const int32_t offset = x.offsets(first + r)[s];
          const float scale = x.scales(first + r)[s];
          ALL for (int v = 0; v < VECTORS; v++)
            sums[r][v] = add_scaled(sums[r][v], whole[v][r] + offset, scale);
        }
      }
      for (int r = 0; r < n_rows; r++) finish<F>(sums[r], first + r, panel, use);
    }
  }
#endif

  template <int ROWS>
  static INLINED void sum_float32(const uint32_t* weights, int inputs, const Activations& x, int first,
                         Floats (&sums)[ROWS][VECTORS]) {
    const float* rows[ROWS];
    ALL for (int r = 0; r < ROWS; r++) rows[r] = x.row<float>(first + r);
    for (int i = 0; i < inputs; i++, weights += PANEL) {
      Floats w[VECTORS];
      ALL for (int v = 0; v < VECTORS; v++) w[v] = load<Floats>(weights + v * LANES);
      ALL for (int r = 0; r < ROWS; r++)
        ALL for (int v = 0; v < VECTORS; v++) sums[r][v] += w[v] * rows[r][i];
    }
  }

  template <int ROWS>
  static INLINED void sum_bfloat16(const uint32_t* weights, int inputs, const Activations& x, int first,
                         Floats (&sums)[ROWS][VECTORS]) {
#if defined(__AVX512BF16__)
    const uint16_t* rows[ROWS];
    ALL for (int r = 0; r < ROWS; r++) rows[r] = x.row<uint16_t>(first + r);
    for (int i = 0; i < inputs; i += 2, weights += PANEL) {
      __m512bh w[VECTORS];
      ALL for (int v = 0; v < VECTORS; v++) w[v] = load<__m512bh>(weights + v * LANES);
      ALL for (int r = 0; r < ROWS; r++) {
        const __m512bh pair = bits_of<__m512bh>(_mm512_set1_epi32(load<int32_t>(rows[r] + i)));
        ALL for (int v = 0; v < VECTORS; v++)
          sums[r][v] = _mm512_dpbf16_ps(sums[r][v], w[v], pair);
      }
    }
#else
    const float* rows[ROWS];
    ALL for (int r = 0; r < ROWS; r++) rows[r] = x.row<float>(first + r);
    for (int i = 0; i < inputs; i += 2, weights += PANEL) {
      ALL for (int v = 0; v < VECTORS; v++) {
        const Words pair = load<Words>(weights + v * LANES);
        const Floats even = bits_of<Floats>(pair << 16), odd = bits_of<Floats>(pair & 0xffff0000u);
        ALL for (int r = 0; r < ROWS; r++) sums[r][v] += even * rows[r][i];
        ALL for (int r = 0; r < ROWS; r++) sums[r][v] += odd * rows[r][i + 1];
      }
    }
#endif
  }

  // Adds what inputs i to `last`, which share scale s, give for VECTORS_AT_ONCE vectors from the v-th.
  template <int ROWS>
  static INLINED void sum_scaled(const uint32_t* weights, int i, int last, int v, const Small* const (&rows)[ROWS],
                                 const Activations& x, int first, int s, Floats (&sums)[ROWS][VECTORS]) {
    Ints whole[ROWS][VECTORS_AT_ONCE];
    ALL for (int r = 0; r < ROWS; r++)
      ALL for (int w = 0; w < VECTORS_AT_ONCE; w++) whole[r][w] = all(x.offsets(first + r)[s]);
    for (; i < last; i += 4, weights += PANEL) {
      Factor some[VECTORS_AT_ONCE];
      ALL for (int w = 0; w < VECTORS_AT_ONCE; w++)
        some[w] = unsigned_factor(load<Ints>(weights + (v + w) * LANES));
      ALL for (int r = 0; r < ROWS; r++) {
        const Factor four = signed_factor(rows[r] + i);
        ALL for (int w = 0; w < VECTORS_AT_ONCE; w++)
          whole[r][w] = add_dot_products(whole[r][w], some[w], four);
      }
    }
    ALL for (int r = 0; r < ROWS; r++)
      ALL for (int w = 0; w < VECTORS_AT_ONCE; w++)
        sums[r][v + w] = add_scaled(sums[r][v + w], whole[r][w], x.scales(first + r)[s]);
  }

  template <int ROWS>
  static INLINED void sum_int8(const uint32_t* weights, int inputs, const Activations& x, int first,
                         Floats (&sums)[ROWS][VECTORS]) {
    if constexpr (DOT_INT8) {
      const Small* rows[ROWS];
      ALL for (int r = 0; r < ROWS; r++) rows[r] = x.row<Small>(first + r);
      for (int s = 0, i = 0; i < inputs; s++, i += SCALED_INPUTS)
        for (int v = 0; v < VECTORS; v += VECTORS_AT_ONCE)
          sum_scaled<ROWS>(weights + i / 4 * PANEL, i, std::min(inputs, i + SCALED_INPUTS), v, rows, x,
                           first, s, sums);
      return;
    }
    const float* rows[ROWS];
    ALL for (int r = 0; r < ROWS; r++) rows[r] = x.row<float>(first + r);
    for (int i = 0; i < inputs; i += 4, weights += PANEL) {
      ALL for (int v = 0; v < VECTORS; v++) {
        // Without the 128 that was added, four signed bytes; each is shifted down with its sign.
        const Ints four = bits_of<Ints>(load<Words>(weights + v * LANES) ^ 0x80808080u);
        ALL for (int j = 0; j < 4; j++) {
          const Floats w = floats_of((four << (24 - 8 * j)) >> 24);
          ALL for (int r = 0; r < ROWS; r++) sums[r][v] += w * rows[r][i + j];
        }
      }
    }
  }

  Format format_ = Format::float32;
  int inputs_ = 0, panels_ = 0, item_ = 4;
  bool use_tiles_ = false;
  uint8_t* weights_ = nullptr;
  float *scales_ = nullptr, *biases_ = nullptr;
};
