// Keys and values of the tokens so far, and the attention of one query over them.
//
// Keys lie in tiles of LANES positions, in each tile as the outputs of a weight panel do: for every
// group of features, that of each position. So the scores of LANES positions come from one pass of
// broadcast and multiply, as any product does, and no sum over lanes is needed. Values lie one
// position after the other. With int8 weights both are int8 too, with a scale a head and position.
#pragma once

#include "matrix.h"

class CacheLayout {
 public:
  void resize(Format format, int positions, int head_width) {
    item_ = format == Format::float32 ? 4 : format == Format::bfloat16 ? 2 : 1;
    width = round_up(head_width, 2 * LANES);
    const int padded = round_up(positions, LANES);
    values = size_t(padded) * width * item_;
    scales = format == Format::int8 ? 2 * values : 0;
    bytes = 2 * values + (format == Format::int8 ? 2 * size_t(padded) * sizeof(float) : 0);
    bytes = (bytes + 63) / 64 * 64;
    padded_ = padded;
  }

  // Where feature i of a position's key is, counted in items.
  size_t key_place(int position, int i) const {
    const int group = 4 / item_;
    return (size_t(position / LANES) * width + i / group * group) * LANES +
           position % LANES * group + i % group;
  }

  int width = 0;           // features of a head, padded with zeros
  size_t values = 0;       // where the values begin, in bytes from the start of a head's cache
  size_t scales = 0;       // and the scales, first those of all keys
  size_t bytes = 0;        // of a head's cache
  int padded_ = 0;

 private:
  int item_ = 4;
};

// The cache of one key head in one layer and slot.
template <Format F>
class HeadCache {
 public:
  using Item = std::conditional_t<F == Format::float32, float,
                                  std::conditional_t<F == Format::bfloat16, uint16_t, int8_t>>;

  HeadCache(const CacheLayout& layout, uint8_t* start)
      : layout_(layout),
        keys_(reinterpret_cast<Item*>(start)),
        values_(reinterpret_cast<Item*>(start + layout.values)),
        key_scales_(reinterpret_cast<float*>(start + layout.scales)),
        value_scales_(key_scales_ + layout.padded_) {}

  // Store rows of `width` numbers.
  void keep(int position, const float* key, const float* value) {
    const int width = layout_.width;
    Item* value_to = values_ + size_t(position) * width;
    if constexpr (F == Format::int8) {
      int8_t whole[MOST_WIDTH];
      key_scales_[position] = quantise(key, whole);
      // Unsigned, as the dot-product instruction wants one of its factors.
      for (int i = 0; i < width; i++)
        keys_[layout_.key_place(position, i)] = int8_t(uint8_t(whole[i]) ^ 0x80);
      value_scales_[position] = quantise(value, value_to);
    } else {
      for (int i = 0; i < width; i++) {
        if constexpr (F == Format::float32) keys_[layout_.key_place(position, i)] = key[i];
        else keys_[layout_.key_place(position, i)] = to_bfloat16(key[i]);
      }
      for (int i = 0; i < width; i += LANES) store_floats(value_to + i, load<Floats>(value + i));
    }
  }

  // mixed = softmax(scale * query . keys) . values over the first `seen` positions. `scores` has
  // room for all positions and LANES more.
  void attend(const float* query, float scale, int seen, float* scores, float* mixed) const {
    score(query, scale, seen, scores);
    for (int t = seen; t < round_up(seen, LANES); t++) scores[t] = -INFINITY;
    Floats largest = all(-INFINITY), total{};
    for (int t = 0; t < seen; t += LANES) largest = larger(load<Floats>(scores + t), largest);
    const Floats top = all(largest_of(largest));
    for (int t = 0; t < seen; t += LANES) {
      const Floats below = load<Floats>(scores + t) - top;
      Floats power = choose(below < -87.0f, Floats{}, exponential(below));
      total += power;
      if constexpr (F == Format::int8) power *= load<Floats>(value_scales_ + t);
      store(scores + t, power);
    }
    const float share = 1.0f / sum_of(total);
    int i = 0;
    for (; i + 4 * LANES <= layout_.width; i += 4 * LANES) mix<4>(scores, seen, share, i, mixed);
    if (i < layout_.width) mix<2>(scores, seen, share, i, mixed);
  }

  static constexpr int MOST_WIDTH = 1024 + 2 * LANES;

 private:
  // Whole numbers from -127 to 127; returns their scale.
  float quantise(const float* x, int8_t* to) const {
    Floats extreme{};
    for (int i = 0; i < layout_.width; i += LANES) extreme = larger(absolute(load<Floats>(x + i)), extreme);
    const float scale = largest_of(extreme) / 127.0f;
    const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
    for (int i = 0; i < layout_.width; i += LANES)
      store(to + i, __builtin_convertvector(nearest(load<Floats>(x + i) * inverse), Bytes));
    return scale;
  }

  void score(const float* query, float scale, int seen, float* scores) const {
    const int width = layout_.width;
    const uint32_t* tile = reinterpret_cast<const uint32_t*>(keys_);
    const int words = width * LANES * sizeof(Item) / 4;  // of a tile
#if defined(__AVX512BF16__)
    if constexpr (F == Format::bfloat16) {
      uint16_t rounded[MOST_WIDTH];
      for (int i = 0; i < width; i += LANES) store(rounded + i, to_bfloat16(load<Floats>(query + i)));
      for (int t = 0; t < seen; t += LANES, tile += words) {
        Floats even{}, odd{};
        for (int i = 0; i < width; i += 4) {
          const uint32_t* keys = tile + i / 2 * LANES;
          even = _mm512_dpbf16_ps(even, load<__m512bh>(keys), pair(rounded + i));
          odd = _mm512_dpbf16_ps(odd, load<__m512bh>(keys + LANES), pair(rounded + i + 2));
        }
        store(scores + t, scale * (even + odd));
      }
      return;
    }
#endif
#if defined(__AVX512VNNI__)
    if constexpr (F == Format::int8) {
      int8_t whole[MOST_WIDTH];
      scale *= quantise(query, whole);
      int32_t sum = 0;
      for (int i = 0; i < width; i++) sum += whole[i];
      for (int t = 0; t < seen; t += LANES, tile += words) {
        __m512i even = _mm512_set1_epi32(-128 * sum), odd = _mm512_setzero_si512();
        for (int i = 0; i < width; i += 8) {
          const uint32_t* keys = tile + i / 4 * LANES;
          even = add_dot_products(even, load<__m512i>(keys), four(whole + i));
          odd = add_dot_products(odd, load<__m512i>(keys + LANES), four(whole + i + 4));
        }
        const Floats products = floats_of(bits_of<Ints>(_mm512_add_epi32(even, odd)));
        store(scores + t, scale * products * load<Floats>(key_scales_ + t));
      }
      return;
    }
#endif
    for (int t = 0; t < seen; t += LANES, tile += words) {
      Floats sums[4] = {};
      for (int i = 0, w = 0; i < width; i += 4) {
        if constexpr (F == Format::float32)
          for (int j = 0; j < 4; j++, w += LANES) sums[j] += query[i + j] * load<Floats>(tile + w);
        if constexpr (F == Format::bfloat16)
          for (int j = 0; j < 4; j += 2, w += LANES) {
            const Words two = load<Words>(tile + w);
            sums[j] += query[i + j] * bits_of<Floats>(two << 16);
            sums[j + 1] += query[i + j + 1] * bits_of<Floats>(two & 0xffff0000u);
          }
        if constexpr (F == Format::int8) {
          const Ints bytes = bits_of<Ints>(load<Words>(tile + w) ^ 0x80808080u);
          for (int j = 0; j < 4; j++)
            sums[j] += query[i + j] * floats_of((bytes << (24 - 8 * j)) >> 24);
          w += LANES;
        }
      }
      Floats products = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      if constexpr (F == Format::int8) products *= load<Floats>(key_scales_ + t);
      store(scores + t, scale * products);
    }
  }

#if defined(__AVX512F__)
#if defined(__AVX512BF16__)
  static __m512bh pair(const uint16_t* two) {
    return bits_of<__m512bh>(_mm512_set1_epi32(load<int32_t>(two)));
  }
#endif
  static __m512i four(const int8_t* bytes) { return _mm512_set1_epi32(load<int32_t>(bytes)); }
#endif

  // N vectors of the mixed values, beginning at feature i.
  template <int N>
  void mix(const float* weights, int seen, float share, int i, float* mixed) const {
    const Item* values = values_ + i;
    Floats sums[N] = {};
    for (int t = 0; t < seen; t++, values += layout_.width)
      ALL for (int v = 0; v < N; v++) sums[v] += weights[t] * load_floats(values + v * LANES);
    ALL for (int v = 0; v < N; v++) store(mixed + i + v * LANES, sums[v] * share);
  }

  const CacheLayout& layout_;
  Item *keys_, *values_;
  float *key_scales_, *value_scales_;
};
