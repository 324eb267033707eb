// Keys and values of the tokens so far, and the attention of one query over them.
//
// Keys lie in tiles of LANES positions, in each tile as the outputs of a weight panel do: for every
// group of features, that of each position. So the scores of LANES positions come from one pass of
// broadcast and multiply, as any product does, and no sum over lanes is needed. Values lie one
// position after the other. With int8 weights both are int8 too, with a scale a head and position.
#pragma once

#include "matrix.h"

// Places within the cache of a head, the same for every head, layer and slot.
struct CacheLayout {
  void resize(Format format, int positions, int head_width) {
    const size_t item = format == Format::float32 ? 4 : format == Format::bfloat16 ? 2 : 1;
    width = round_up(head_width, 4 * LANES);
    padded = round_up(positions, LANES);
    values = size_t(padded) * width * item;
    scales = 2 * values;
    bytes = scales + (format == Format::int8 ? 2 * size_t(padded) * sizeof(float) : 0);
  }

  int width = 0;      // features of a head, padded with zeros
  int padded = 0;     // positions
  size_t values = 0;  // where the values begin, in bytes
  size_t scales = 0;  // and the scales, first those of all keys
  size_t bytes = 0;   // of all
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
        value_scales_(key_scales_ + layout.padded) {}

  // Store rows of `width` numbers.
  void keep(int position, const float* key, const float* value) {
    const int width = layout_.width;
    Item* to_keys = keys_ + (size_t(position / LANES) * width * LANES + position % LANES * GROUP);
    Item* to_values = values_ + size_t(position) * width;
    Item key_items[MOST_WIDTH], value_items[MOST_WIDTH];
    const float key_scale = convert(key, key_items), value_scale = convert(value, value_items);
    if constexpr (F == Format::int8) {
      key_scales_[position] = key_scale;
      value_scales_[position] = value_scale;
    }
    for (int i = 0; i < width; i += GROUP) {
      for (int j = 0; j < GROUP; j++) {
        const Item item = key_items[i + j];
        // Unsigned, as the dot-product instruction wants one of its factors.
        to_keys[i * LANES + j] = F == Format::int8 ? Item(uint8_t(item) ^ 0x80) : item;
      }
    }
    // Words of GROUP items, which are LANES features apart: then each can be cut out by itself.
    for (int i = 0; i < width; i += GROUP * LANES)
      for (int j = 0; j < GROUP; j++)
        for (int lane = 0; lane < LANES; lane++)
          to_values[i + lane * GROUP + j] = value_items[i + j * LANES + lane];
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
    for (int i = 0; i < layout_.width; i += 4 * LANES) mix(scores, seen, share, i, mixed);
  }

  static constexpr int MOST_WIDTH = 1024 + 4 * LANES;
  static constexpr int GROUP = 4 / sizeof(Item);

 private:
  // A row as it is stored. In int8: whole numbers from -127 to 127; returns their scale.
  float convert(const float* x, Item* to) const {
    float inverse = 1, scale = 1;
    if constexpr (F == Format::int8) {
      Floats extreme{};
      for (int i = 0; i < layout_.width; i += LANES)
        extreme = larger(absolute(load<Floats>(x + i)), extreme);
      scale = largest_of(extreme) / 127.0f;
      inverse = scale > 0 ? 1.0f / scale : 0.0f;
    }
    for (int i = 0; i < layout_.width; i += LANES) {
      const Floats some = load<Floats>(x + i);
      if constexpr (F == Format::float32) store(to + i, some);
      if constexpr (F == Format::bfloat16) store(to + i, to_bfloat16(some));
      if constexpr (F == Format::int8)
        store(to + i, __builtin_convertvector(nearest(some * inverse), Bytes));
    }
    return scale;
  }

  void score(const float* query, float scale, int seen, float* scores) const {
    const int width = layout_.width;
    const uint32_t* tile = reinterpret_cast<const uint32_t*>(keys_);
    const int words = width * LANES * sizeof(Item) / 4;  // of a tile
#if defined(__AVX512BF16__)
    if constexpr (F == Format::bfloat16) {
      uint16_t rounded[MOST_WIDTH];
      convert(query, rounded);
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
      scale *= convert(query, whole);
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
      for (int i = 0; i < width; i += 4) {
        ALL for (int v = 0; v < 4; v += GROUP) {
          Words keys = load<Words>(tile + (i + v) / GROUP * LANES);
          if constexpr (F == Format::int8) keys ^= 0x80808080u;
          ALL for (int j = 0; j < GROUP; j++) sums[v + j] += query[i + v + j] * item_of(keys, j);
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

  // Four vectors of the mixed values, beginning at feature i.
  void mix(const float* weights, int seen, float share, int i, float* mixed) const {
    const Item* values = values_ + i;
    Floats sums[4] = {};
    for (int t = 0; t < seen; t++, values += layout_.width) {
      ALL for (int v = 0; v < 4; v += GROUP) {
        const Words words = load<Words>(values + v * LANES);
        ALL for (int j = 0; j < GROUP; j++) sums[v + j] += weights[t] * item_of(words, j);
      }
    }
    ALL for (int v = 0; v < 4; v++) store(mixed + i + v * LANES, sums[v] * share);
  }

  // The j-th item of each word, as a float.
  static INLINED Floats item_of(Words words, int j) {
    if constexpr (F == Format::float32) return bits_of<Floats>(words);
    if constexpr (F == Format::bfloat16)
      return bits_of<Floats>(j == 0 ? words << 16 : words & 0xffff0000u);
    return floats_of((bits_of<Ints>(words) << (24 - 8 * j)) >> 24);
  }

  const CacheLayout& layout_;
  Item *keys_, *values_;
  float *key_scales_, *value_scales_;
};
