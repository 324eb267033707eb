// Weight matrices, packed once for decoding, in float32, bfloat16 or int8.
//
// A matrix [outputs, inputs] is divided into panels of PANEL outputs. Within a panel, the weights are
// in the order in which the multiplication reads them: for each group of inputs, the group's weights
// of every output. A group is 1 input in float32, 2 in bfloat16, 4 in int8: what one lane of a
// dot-product instruction reads. So a multiplication reads the weights once, front to back, and
// several rows of activations share each weight that is loaded.
//
// Every output of every row is summed in the same order, however many rows are computed together and
// by whichever thread. So the results of a sequence do not depend on the other sequences.
#pragma once

#include "memory.h"
#include "amx.h"
#include "vectors.h"

enum class Dtype { float32 = 0, bfloat16 = 1, int8 = 2 };

constexpr int VECTORS = 4;              // of sums, for each row
constexpr int PANEL = VECTORS * LANES;  // outputs that are computed together
#if defined(HAVE_AMX)
constexpr int INPUT_STEP = 64;          // inputs are padded with zeros to a multiple of this
#else
constexpr int INPUT_STEP = 16;
#endif
constexpr int SCALE_GROUP = 128;        // activations that share a scale in int8

#if defined(__AVX512BF16__)
constexpr bool DOT_BFLOAT16 = true;
#else
constexpr bool DOT_BFLOAT16 = false;    // then activations stay float32 for bfloat16 weights
#endif
// Loops over rows and vectors are unrolled, so that their sums are in registers, not in an array.
#define UNROLL _Pragma("GCC unroll 16")
#define ALWAYS_INLINE inline __attribute__((always_inline))

// The scale of a row of int8 weights by its largest absolute value, rounded to 17 significant bits.
// So scale times integer is exact in float32, and quantizing the products gives the same integers and
// scales again. Must agree with slm/checkpoint/int8.py.
inline float weight_scale(float largest) {
  return bit_cast<float>((bit_cast<uint32_t>(largest / 127.0f) + 0x40u) & ~0x7fu);
}

// Rows of activations in the form that a multiplication with weights of a dtype needs.
class Activations {
 public:
  void allocate(Dtype dtype, int rows, int max_inputs) {
    dtype_ = dtype;
    stride_ = round_up(max_inputs, INPUT_STEP);
    n_scales_ = (stride_ + SCALE_GROUP - 1) / SCALE_GROUP;
    values_.allocate(size_t(rows) * stride_ * sizeof(float));
    scales_.allocate(size_t(rows) * n_scales_ * sizeof(float));
    offsets_.allocate(size_t(rows) * n_scales_ * sizeof(int32_t));
  }

  template <class Item>
  const Item* row(int row) const { return values_.as<Item>() + size_t(row) * stride_; }
  const float* scales(int row) const { return scales_.as<float>() + size_t(row) * n_scales_; }
  const int32_t* offsets(int row) const { return offsets_.as<int32_t>() + size_t(row) * n_scales_; }
  int stride() const { return stride_; }  // from row to row, in items

  // Convert a row of `inputs` numbers, padded with zeros to a multiple of INPUT_STEP.
  void set(int row, const float* x, int inputs) {
    const size_t start = size_t(row) * stride_;
    const int padded = round_up(inputs, INPUT_STEP);
    if (dtype_ == Dtype::bfloat16 && DOT_BFLOAT16) {
      for (int i = 0; i < padded; i += LANES)
        store(values_.as<uint16_t>() + start + i, to_bfloat16(load<f32v>(x + i)));
    } else if (dtype_ == Dtype::int8 && DOT_INT8) {
      for (int i = 0; i < padded; i += SCALE_GROUP)
        quantize(row, i, std::min(padded, i + SCALE_GROUP), x);
    } else {
      std::memcpy(values_.as<float>() + start, x, padded * sizeof(float));
    }
  }

 private:
  // Integers from -127 to 127 times a scale. The weights are stored plus 128, since the instruction
  // needs one unsigned operand; the offset subtracts that again.
  void quantize(int row, int first, int last, const float* x) {
    const float scale = quantization_scale(x + first, last - first);
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    i32v sums{};
    ActivationInt* to = values_.as<ActivationInt>() + size_t(row) * stride_;
    for (int i = first; i < last; i += LANES) {
      const i32v integers = round_to_nearest(load<f32v>(x + i) * inverse);
      sums += integers;
      store_activations(to + i, integers);
    }
    int32_t sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
    const size_t s = size_t(row) * n_scales_ + first / SCALE_GROUP;
    scales_.as<float>()[s] = scale;
    offsets_.as<int32_t>()[s] = -128 * sum;
  }

  Dtype dtype_ = Dtype::float32;
  int stride_ = 0, n_scales_ = 0;
  AlignedBuffer values_, scales_, offsets_;
};

class Matrix {
 public:
  void allocate(Dtype dtype, int inputs, int panels, HugePageArena& memory) {
    dtype_ = dtype;
    inputs_ = round_up(inputs, INPUT_STEP);
    panels_ = panels;
    item_bytes_ = dtype == Dtype::float32 ? 4 : dtype == Dtype::bfloat16 ? 2 : 1;
    use_amx_ = dtype != Dtype::float32 && enable_amx();
    const size_t outputs = size_t(panels) * PANEL, bytes = outputs * inputs_ * item_bytes_;
    weights_ = memory.allocate(bytes);
    biases_ = reinterpret_cast<float*>(memory.allocate(outputs * sizeof(float)));
    if (dtype == Dtype::int8) {
      scales_ = reinterpret_cast<float*>(memory.allocate(outputs * sizeof(float)));
      std::memset(weights_, 128, bytes);
    }
  }

  int panels() const { return panels_; }
  const float* biases(int panel) const { return biases_ + size_t(panel) * PANEL; }

  // Copy rows of float32 weights, PANEL rows per panel: first_panel, + step, + 2 step, ...
  void pack(const float* weights, int rows, int inputs, int first_panel, int step) {
    for (int row = 0; row < rows; row++) {
      const int output = (first_panel + row / PANEL * step) * PANEL + row % PANEL;
      const float* from = weights + size_t(row) * inputs;
      float scale = 0;
      if (dtype_ == Dtype::int8) {
        for (int i = 0; i < inputs; i++) scale = std::max(scale, std::fabs(from[i]));
        scales_[output] = scale = weight_scale(scale);
      }
      for (int i = 0; i < inputs; i++) {
        const size_t index = index_of(output, i);
        if (dtype_ == Dtype::float32) items<float>()[index] = from[i];
        if (dtype_ == Dtype::bfloat16) items<uint16_t>()[index] = to_bfloat16(from[i]);
        if (dtype_ == Dtype::int8)
          weights_[index] =
              uint8_t(128 + (scale > 0 ? std::lrint(from[i] / scale) : 0));
      }
    }
  }

  void set_biases(const float* biases, int rows, int first_panel, int step) {
    for (int row = 0; row < rows; row++)
      biases_[(first_panel + row / PANEL * step) * PANEL + row % PANEL] = biases[row];
  }

  // The weights of one output: a row of an embedding table.
  void unpack(int output, int inputs, float* to) const {
    for (int i = 0; i < inputs; i++) {
      const size_t index = index_of(output, i);
      if (dtype_ == Dtype::float32) to[i] = items<float>()[index];
      if (dtype_ == Dtype::bfloat16) to[i] = from_bfloat16(items<uint16_t>()[index]);
      if (dtype_ == Dtype::int8)
        to[i] = scales_[output] * (int(weights_[index]) - 128);
    }
  }

  // Multiply all rows with a panel and call emit(row, sums): PANEL sums, with biases.
  template <class Emit>
  void multiply(const Activations& x, int n_rows, int panel, const Emit& emit) const {
    switch (dtype_) {
      case Dtype::float32: return multiply_rows<Dtype::float32>(x, n_rows, panel, emit);
      case Dtype::bfloat16: return multiply_rows<Dtype::bfloat16>(x, n_rows, panel, emit);
      case Dtype::int8: return multiply_rows<Dtype::int8>(x, n_rows, panel, emit);
    }
  }

 private:
  size_t index_of(int output, int input) const {
    const int group = 4 / item_bytes_;
    const size_t panel_start = size_t(output / PANEL) * PANEL * inputs_;
    return panel_start + (size_t(input / group) * PANEL + output % PANEL) * group + input % group;
  }

  template <class Item>
  Item* items() const { return reinterpret_cast<Item*>(weights_); }

  template <Dtype F, class Emit>
  void multiply_rows(const Activations& x, int n_rows, int panel, const Emit& emit) const {
    int row = 0;
#if defined(HAVE_AMX)
    // Rows beyond the last are computed as well, from whatever memory holds, and ignored.
    if constexpr (F != Dtype::float32)
      if (use_amx_ && (F == Dtype::bfloat16 || n_rows >= MIN_AMX_ROWS)) {
        for (; row < n_rows; row += TILE_ROWS)
          multiply_amx<F>(x, row, std::min(TILE_ROWS, n_rows - row), panel, emit);
        return;
      }
#endif
    for (; row + ROW_BLOCK <= n_rows; row += ROW_BLOCK)
      multiply_block<F, ROW_BLOCK>(x, row, panel, emit);
    multiply_remainder<F, ROW_BLOCK - 1>(x, row, n_rows - row, panel, emit);
  }

  template <Dtype F, int ROWS, class Emit>
  void multiply_remainder(const Activations& x, int row, int n_rows, int panel, const Emit& emit) const {
    if constexpr (ROWS > 0) {
      if (n_rows == ROWS) return multiply_block<F, ROWS>(x, row, panel, emit);
      multiply_remainder<F, ROWS - 1>(x, row, n_rows, panel, emit);
    }
  }

  template <Dtype F, int ROWS, class Emit>
  void multiply_block(const Activations& x, int first, int panel, const Emit& emit) const {
    f32v sums[ROWS][VECTORS] = {};
    const uint32_t* weights = reinterpret_cast<const uint32_t*>(panel_start(panel));
    if constexpr (F == Dtype::float32) sum_float32<ROWS>(weights, inputs_, x, first, sums);
    if constexpr (F == Dtype::bfloat16) sum_bfloat16<ROWS>(weights, inputs_, x, first, sums);
    if constexpr (F == Dtype::int8) sum_int8<ROWS>(weights, inputs_, x, first, sums);
    for (int r = 0; r < ROWS; r++) finish_row<F>(sums[r], first + r, panel, emit);
  }

  const uint8_t* panel_start(int panel) const {
    return weights_ + size_t(panel) * PANEL * inputs_ * item_bytes_;
  }

  template <Dtype F, class Emit>
  ALWAYS_INLINE void finish_row(const f32v (&sums)[VECTORS], int row, int panel,
                                const Emit& emit) const {
    const float* bias = biases(panel);
    const float* scale = scales_ + size_t(panel) * PANEL;
    float finished[PANEL];
    for (int v = 0; v < VECTORS; v++) {
      f32v sum = sums[v];
      if constexpr (F == Dtype::int8) sum *= load<f32v>(scale + v * LANES);
      store(finished + v * LANES, sum + load<f32v>(bias + v * LANES));
    }
    emit(row, finished);
  }

  // Add the integer sum of one scale group.
  static ALWAYS_INLINE f32v add_scaled(f32v sum, i32v integers, float scale) {
    return sum + to_float(integers) * scale;
  }

#if defined(HAVE_AMX)
  static constexpr int MIN_AMX_ROWS = 6;  // in int8

  template <Dtype F, class Emit>
  void multiply_amx(const Activations& x, int first, int n_rows, int panel, const Emit& emit) const {
    const uint8_t* weights = panel_start(panel);
    if constexpr (F == Dtype::bfloat16) {
      alignas(64) f32v sums[VECTORS][TILE_ROWS];
      multiply_tiles<false>(x.row<uint16_t>(first), x.stride() * sizeof(uint16_t), weights,
                       inputs_ * 2 / TILE_BYTES, sums);
      for (int r = 0; r < n_rows; r++) {
        const f32v row[VECTORS] = {sums[0][r], sums[1][r], sums[2][r], sums[3][r]};
        finish_row<F>(row, first + r, panel, emit);
      }
    } else {
      alignas(64) i32v integers[VECTORS][TILE_ROWS];
      f32v sums[TILE_ROWS][VECTORS] = {};
      for (int s = 0, i = 0; i < inputs_; s++, i += SCALE_GROUP) {
        const int steps = std::min(SCALE_GROUP, inputs_ - i) / TILE_BYTES;
        multiply_tiles<true>(x.row<int8_t>(first) + i, x.stride(), weights + size_t(i) * PANEL, steps,
                             integers);
        for (int r = 0; r < n_rows; r++) {
          const int32_t offset = x.offsets(first + r)[s];
          const float scale = x.scales(first + r)[s];
          UNROLL for (int v = 0; v < VECTORS; v++)
            sums[r][v] = add_scaled(sums[r][v], integers[v][r] + offset, scale);
        }
      }
      for (int r = 0; r < n_rows; r++) finish_row<F>(sums[r], first + r, panel, emit);
    }
  }
#endif

  template <int ROWS>
  static ALWAYS_INLINE void sum_float32(const uint32_t* weights, int inputs, const Activations& x,
                                        int first, f32v (&sums)[ROWS][VECTORS]) {
    const float* rows[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) rows[r] = x.row<float>(first + r);
    for (int i = 0; i < inputs; i++, weights += PANEL) {
      f32v w[VECTORS];
      UNROLL for (int v = 0; v < VECTORS; v++) w[v] = load<f32v>(weights + v * LANES);
      UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < VECTORS; v++) sums[r][v] += w[v] * rows[r][i];
    }
  }

  template <int ROWS>
  static ALWAYS_INLINE void sum_bfloat16(const uint32_t* weights, int inputs, const Activations& x,
                                         int first, f32v (&sums)[ROWS][VECTORS]) {
#if defined(__AVX512BF16__)
    const uint16_t* rows[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) rows[r] = x.row<uint16_t>(first + r);
    for (int i = 0; i < inputs; i += 2, weights += PANEL) {
      __m512bh w[VECTORS];
      UNROLL for (int v = 0; v < VECTORS; v++) w[v] = load<__m512bh>(weights + v * LANES);
      UNROLL for (int r = 0; r < ROWS; r++) {
        const __m512bh pair = bit_cast<__m512bh>(_mm512_set1_epi32(load<int32_t>(rows[r] + i)));
        UNROLL for (int v = 0; v < VECTORS; v++)
          sums[r][v] = _mm512_dpbf16_ps(sums[r][v], w[v], pair);
      }
    }
#else
    const float* rows[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) rows[r] = x.row<float>(first + r);
    for (int i = 0; i < inputs; i += 2, weights += PANEL) {
      UNROLL for (int v = 0; v < VECTORS; v++) {
        const u32v pair = load<u32v>(weights + v * LANES);
        const f32v even = bit_cast<f32v>(pair << 16), odd = bit_cast<f32v>(pair & 0xffff0000u);
        UNROLL for (int r = 0; r < ROWS; r++) sums[r][v] += even * rows[r][i];
        UNROLL for (int r = 0; r < ROWS; r++) sums[r][v] += odd * rows[r][i + 1];
      }
    }
#endif
  }

  // Add the products of inputs i to `last`, which share scale s, to VECTOR_BLOCK vectors from the v-th.
  template <int ROWS>
  static ALWAYS_INLINE void sum_scale_group(const uint32_t* weights, int i, int last, int v,
                                            const ActivationInt* const (&rows)[ROWS],
                                            const Activations& x, int first, int s,
                                            f32v (&sums)[ROWS][VECTORS]) {
    i32v integers[ROWS][VECTOR_BLOCK];
    UNROLL for (int r = 0; r < ROWS; r++)
      UNROLL for (int w = 0; w < VECTOR_BLOCK; w++) integers[r][w] = broadcast(x.offsets(first + r)[s]);
    for (; i < last; i += 4, weights += PANEL) {
      DotOperand some[VECTOR_BLOCK];
      UNROLL for (int w = 0; w < VECTOR_BLOCK; w++)
        some[w] = unsigned_operand(load<i32v>(weights + (v + w) * LANES));
      UNROLL for (int r = 0; r < ROWS; r++) {
        const DotOperand four = signed_operand(rows[r] + i);
        UNROLL for (int w = 0; w < VECTOR_BLOCK; w++)
          integers[r][w] = dot_accumulate(integers[r][w], some[w], four);
      }
    }
    UNROLL for (int r = 0; r < ROWS; r++)
      UNROLL for (int w = 0; w < VECTOR_BLOCK; w++)
        sums[r][v + w] = add_scaled(sums[r][v + w], integers[r][w], x.scales(first + r)[s]);
  }

  template <int ROWS>
  static ALWAYS_INLINE void sum_int8(const uint32_t* weights, int inputs, const Activations& x,
                                     int first, f32v (&sums)[ROWS][VECTORS]) {
    if constexpr (DOT_INT8) {
      const ActivationInt* rows[ROWS];
      UNROLL for (int r = 0; r < ROWS; r++) rows[r] = x.row<ActivationInt>(first + r);
      for (int s = 0, i = 0; i < inputs; s++, i += SCALE_GROUP)
        for (int v = 0; v < VECTORS; v += VECTOR_BLOCK)
          sum_scale_group<ROWS>(weights + i / 4 * PANEL, i, std::min(inputs, i + SCALE_GROUP), v, rows,
                                x, first, s, sums);
      return;
    }
    const float* rows[ROWS];
    UNROLL for (int r = 0; r < ROWS; r++) rows[r] = x.row<float>(first + r);
    for (int i = 0; i < inputs; i += 4, weights += PANEL) {
      UNROLL for (int v = 0; v < VECTORS; v++) {
        // Four signed bytes, without the 128 that was added; each is shifted down with its sign.
        const i32v four = bit_cast<i32v>(load<u32v>(weights + v * LANES) ^ 0x80808080u);
        UNROLL for (int j = 0; j < 4; j++) {
          const f32v w = to_float((four << (24 - 8 * j)) >> 24);
          UNROLL for (int r = 0; r < ROWS; r++) sums[r][v] += w * rows[r][i + j];
        }
      }
    }
  }

  Dtype dtype_ = Dtype::float32;
  int inputs_ = 0, panels_ = 0, item_bytes_ = 4;
  bool use_amx_ = false;
  uint8_t* weights_ = nullptr;
  float *scales_ = nullptr, *biases_ = nullptr;
};
