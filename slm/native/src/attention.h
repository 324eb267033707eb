// The key/value cache, and the attention of one query over it.
//
// Keys and values are in pages of 64 positions, which are allocated as a sequence grows. In a page,
// each head has its keys and then its values. Keys are in tiles of LANES positions, laid out like the
// outputs of a weight panel: for every group of features, that group of each position. So the scores
// of LANES positions are computed like any other matrix product, without a sum over lanes. Values have
// the transposed layout: for every group of positions, that group of each feature. With int8 weights,
// both are int8 as well, with a scale per head and position.
#pragma once

#include "matrix.h"

// Offsets within a page of the cache.
struct KvPageLayout {
  static constexpr int POSITIONS = 64;  // per page
  static constexpr size_t OS_PAGE = 4096;

  void set(Dtype dtype, int n_heads, int head_width) {
    const size_t item = dtype == Dtype::float32 ? 4 : dtype == Dtype::bfloat16 ? 2 : 1;
    width = round_up(head_width, 4 * LANES);
    head_bytes = POSITIONS * width * item;
    scales_offset = 2 * head_bytes * n_heads;
    bytes = scales_offset + (dtype == Dtype::int8 ? 2 * n_heads * POSITIONS * sizeof(float) : 0);
    bytes = (bytes + OS_PAGE - 1) / OS_PAGE * OS_PAGE;
  }

  int width = 0;             // features of a head, padded with zeros
  size_t head_bytes = 0;     // of a head's keys; its values follow
  size_t scales_offset = 0;  // of the scales: for each head those of its keys and of its values
  size_t bytes = 0;          // of a page, with all heads of all layers
};

// The cache of one key head in one layer and slot.
template <Dtype F>
class HeadCache {
 public:
  using Item = std::conditional_t<F == Dtype::float32, float,
                                  std::conditional_t<F == Dtype::bfloat16, uint16_t, int8_t>>;
  static constexpr int MAX_WIDTH = 1024 + 4 * LANES;
  static constexpr int GROUP = 4 / sizeof(Item);
  static constexpr bool DOT = F == Dtype::int8 && DOT_INT8;

  // `head` is numbered through all layers; attention reads the first `seen` positions.
  HeadCache(const KvPageLayout& layout, uint8_t* const* pages, int head, int seen)
      : layout_(layout), pages_(pages), head_(head), seen_(seen) {}

  // Store a key and a value, `width` numbers each.
  void store_kv(int position, const float* key, const float* value) {
    const int width = layout_.width, page = position / POSITIONS, offset = position % POSITIONS;
    Item items[MAX_WIDTH];
    const float key_scale = to_items(key, items);
    // Unsigned bytes, since the dot-product instruction needs one unsigned operand.
    constexpr uint32_t FLIP = F == Dtype::int8 ? 0x80808080u : 0;
    uint32_t* tile = keys(page) + offset / LANES * width / GROUP * LANES + offset % LANES;
    for (int i = 0; i < width; i += GROUP) tile[i / GROUP * LANES] = load<uint32_t>(items + i) ^ FLIP;
    const float value_scale = to_items(value, items);
    Item* to = reinterpret_cast<Item*>(values(page) + offset / GROUP * width) + offset % GROUP;
    for (int i = 0; i < width; i++) to[i * GROUP] = items[i];
    if constexpr (F == Dtype::int8) {
      key_scales(page)[offset] = key_scale;
      value_scales(page)[offset] = value_scale;
    }
  }

  // Floats that `attend` needs as scratch memory.
  static size_t scratch_floats(int positions) { return 2 * size_t(round_up(positions, POSITIONS)); }

  // out = softmax(scale * query . keys) . values over the positions seen. Meanwhile the keys of
  // `next`, which will be needed afterwards, are prefetched.
  void attend(const float* query, float scale, float* scratch, float* out, const HeadCache& next) const {
    float* scores = scratch;
    compute_scores(query, scale, scores);
    const int padded = round_up(seen_, LANES);
    for (int t = seen_; t < padded; t++) scores[t] = -INFINITY;
    f32v largest = broadcast(-INFINITY), total{}, largest_weight{};
    for (int t = 0; t < padded; t += LANES) largest = maximum(load<f32v>(scores + t), largest);
    const f32v top = broadcast(reduce_max(largest));
    for (int t = 0; t < padded; t += LANES) {
      const f32v below = load<f32v>(scores + t) - top;
      f32v power = select(below < -87.0f, f32v{}, vector_exp(below));
      total += power;
      if constexpr (F == Dtype::int8) {
        power *= load<f32v>(value_scales(t / POSITIONS) + t % POSITIONS);
        largest_weight = maximum(power, largest_weight);
      }
      store(scores + t, power);
    }
    float share = 1.0f / reduce_add(total);
    if constexpr (DOT) {
      uint8_t* upper = reinterpret_cast<uint8_t*>(scratch + round_up(seen_, POSITIONS));
      uint8_t* lower = upper + padded;
      share *= split_weights(scores, reduce_max(largest_weight), padded, upper, lower);
      for (int i = 0; i < layout_.width; i += 4 * LANES)
        weighted_sum_int8(upper, lower, share, i, out, i == 0 ? next : *this);
    } else {
      for (int i = 0; i < layout_.width; i += 4 * LANES)
        weighted_sum(scores, share, i, out, i == 0 ? next : *this);
    }
  }

 private:
  static constexpr int POSITIONS = KvPageLayout::POSITIONS;

  uint32_t* keys(int page) const {
    return reinterpret_cast<uint32_t*>(pages_[page] + 2 * layout_.head_bytes * head_);
  }
  uint32_t* values(int page) const { return keys(page) + layout_.head_bytes / 4; }
  float* key_scales(int page) const {
    return reinterpret_cast<float*>(pages_[page] + layout_.scales_offset) + 2 * POSITIONS * head_;
  }
  float* value_scales(int page) const { return key_scales(page) + POSITIONS; }

  // A key or value as it is stored. In int8: integers from -127 to 127; returns their scale.
  float to_items(const float* x, Item* to) const {
    float inverse = 1, scale = 1;
    if constexpr (F == Dtype::int8) {
      scale = quantization_scale(x, layout_.width);
      inverse = scale > 0 ? 1.0f / scale : 0.0f;
    }
    for (int i = 0; i < layout_.width; i += LANES) {
      const f32v some = load<f32v>(x + i);
      if constexpr (F == Dtype::float32) store(to + i, some);
      if constexpr (F == Dtype::bfloat16) store(to + i, to_bfloat16(some));
      if constexpr (F == Dtype::int8)
        store(to + i, __builtin_convertvector(round_to_nearest(some * inverse), i8v));
    }
    return scale;
  }

  void compute_scores(const float* query, float scale, float* scores) const {
    const int width = layout_.width, words = width / GROUP * LANES;  // of a tile
    Item items[MAX_WIDTH];
    [[maybe_unused]] int32_t sum = 0;
    if constexpr (DOT) {
      scale *= to_items(query, items);
      for (int i = 0; i < width; i++) sum += items[i];
    } else if constexpr (F == Dtype::bfloat16 && DOT_BFLOAT16) {
      to_items(query, items);
    }
    for (int first = 0; first < seen_; first += POSITIONS) {
      const int page = first / POSITIONS, count = std::min(POSITIONS, seen_ - first);
      const uint32_t* tile = keys(page);
      for (int t = 0; t < count; t += LANES, tile += words) {
        prefetch(tile + layout_.head_bytes / 4, words);  // the values
        f32v products;
        if constexpr (DOT) {
          products = to_float(dot_int8(tile, items, -128 * sum));
        } else if constexpr (F == Dtype::bfloat16 && DOT_BFLOAT16) {
          products = dot_bfloat16(tile, items);
        } else {
          products = dot_widened(tile, query);
        }
        if constexpr (F == Dtype::int8) products *= load<f32v>(key_scales(page) + t);
        store(scores + first + t, scale * products);
      }
    }
  }

  static ALWAYS_INLINE i32v dot(i32v sums, i32v keys, i32v query) {
    return dot_accumulate(sums, unsigned_operand(keys), signed_operand(query));
  }

  ALWAYS_INLINE i32v dot_int8(const uint32_t* tile, const Item* query, int32_t offset) const {
    i32v even = broadcast(offset), odd{};
    for (int i = 0; i < layout_.width; i += 8, tile += 2 * LANES) {
      even = dot(even, load<i32v>(tile), broadcast_bytes(query + i));
      odd = dot(odd, load<i32v>(tile + LANES), broadcast_bytes(query + i + 4));
    }
    return even + odd;
  }

  ALWAYS_INLINE f32v dot_bfloat16(const uint32_t* tile, const Item* query) const {
    f32v even{}, odd{};
#if defined(__AVX512BF16__)
    for (int i = 0; i < layout_.width; i += 4, tile += 2 * LANES) {
      even = _mm512_dpbf16_ps(even, load<__m512bh>(tile),
                              bit_cast<__m512bh>(broadcast_bytes(query + i)));
      odd = _mm512_dpbf16_ps(odd, load<__m512bh>(tile + LANES),
                             bit_cast<__m512bh>(broadcast_bytes(query + i + 2)));
    }
#endif
    return even + odd;
  }

  ALWAYS_INLINE f32v dot_widened(const uint32_t* tile, const float* query) const {
    f32v sums[4] = {};
    for (int i = 0; i < layout_.width; i += 4) {
      UNROLL for (int v = 0; v < 4; v += GROUP) {
        u32v some = load<u32v>(tile + (i + v) / GROUP * LANES);
        if constexpr (F == Dtype::int8) some ^= 0x80808080u;
        UNROLL for (int j = 0; j < GROUP; j++) sums[v + j] += query[i + v + j] * widen_item(some, j);
      }
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  // Softmax weights as 16-bit integers, in two bytes each; returns their scale.
  static float split_weights(const float* weights, float largest, int count, uint8_t* upper,
                             uint8_t* lower) {
    const float inverse = largest > 0 ? 65535.0f / largest : 0.0f;
    for (int t = 0; t < count; t += LANES) {
      const i32v whole = round_to_nearest(load<f32v>(weights + t) * inverse);
      store(upper + t, __builtin_convertvector(whole >> 8, i8v));
      store(lower + t, __builtin_convertvector(whole, i8v));
    }
    return largest / 65535.0f;
  }

  // Four vectors of the weighted sum of values, from feature i on, with weights in two bytes.
  void weighted_sum_int8(const uint8_t* upper, const uint8_t* lower, float share, int i, float* out,
                 const HeadCache& next) const {
    f32v sums[4] = {};
    for (int first = 0; first < seen_; first += POSITIONS) {
      const int count = std::min(POSITIONS, seen_ - first);
      const uint32_t* words = values(first / POSITIONS) + i;
      const uint32_t* ahead = next.keys_ahead(first);
      i32v high[4] = {}, low[4] = {};
      for (int t = 0; t < count; t += GROUP, words += layout_.width) {
        prefetch(ahead + t / GROUP * layout_.width, layout_.width);
        const DotOperand high_weights = unsigned_operand(broadcast_bytes(upper + first + t));
        const DotOperand low_weights = unsigned_operand(broadcast_bytes(lower + first + t));
        UNROLL for (int v = 0; v < 4; v++) {
          const DotOperand some = signed_operand(load<i32v>(words + v * LANES));
          high[v] = dot_accumulate(high[v], high_weights, some);
          low[v] = dot_accumulate(low[v], low_weights, some);
        }
      }
      UNROLL for (int v = 0; v < 4; v++) sums[v] += 256.0f * to_float(high[v]) + to_float(low[v]);
    }
    UNROLL for (int v = 0; v < 4; v++) store(out + i + v * LANES, sums[v] * share);
  }

  // The same with float weights, which are 0 beyond the last position seen.
  void weighted_sum(const float* weights, float share, int i, float* out, const HeadCache& next) const {
    f32v sums[4] = {};
    for (int first = 0; first < seen_; first += POSITIONS) {
      const int count = std::min(POSITIONS, seen_ - first);
      const uint32_t* words = values(first / POSITIONS) + i;
      const uint32_t* ahead = next.keys_ahead(first);
      for (int t = 0; t < count; t += GROUP, words += layout_.width) {
        prefetch(ahead + t / GROUP * layout_.width, layout_.width);
        UNROLL for (int v = 0; v < 4; v++) {
          const u32v some = load<u32v>(words + v * LANES);
          UNROLL for (int j = 0; j < GROUP; j++) sums[v] += weights[first + t + j] * widen_item(some, j);
        }
      }
    }
    UNROLL for (int v = 0; v < 4; v++) store(out + i + v * LANES, sums[v] * share);
  }

  // The keys of the page that holds a position; those of the first page if there is none.
  const uint32_t* keys_ahead(int position) const {
    return keys(position < seen_ ? position / POSITIONS : 0);
  }

  // Memory has a high latency but serves many requests at a time.
  static ALWAYS_INLINE void prefetch(const uint32_t* words, int count) {
    for (int i = 0; i < count; i += 16) __builtin_prefetch(words + i, 0, 2);
  }

  // The j-th item of each word as a float.
  static ALWAYS_INLINE f32v widen_item(u32v words, int j) {
    if constexpr (F == Dtype::float32) return bit_cast<f32v>(words);
    if constexpr (F == Dtype::bfloat16)
      return bit_cast<f32v>(j == 0 ? words << 16 : words & 0xffff0000u);
    return to_float((bit_cast<i32v>(words) << (24 - 8 * j)) >> 24);
  }

  const KvPageLayout& layout_;
  uint8_t* const* pages_;
  const int head_, seen_;
};
