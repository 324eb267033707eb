// Keys and values of the tokens so far, and the attention of one query over them.
//
// They lie in blocks of 64 positions, which a text takes as it grows. In a block each head has its
// keys and its values. Keys lie in tiles of LANES positions, in each tile as the outputs of a weight
// panel do: for every group of features, that of each position. So the scores of LANES positions
// come from one pass of broadcast and multiply, as any product does, and no sum over lanes is needed.
// Values lie the other way round: for every group of positions, that of each feature. With int8
// weights both are int8 too, with a scale a head and position.
#pragma once

#include "matrix.h"

// Places within a block.
struct CacheLayout {
  static constexpr int POSITIONS = 64;  // of a block
  static constexpr size_t PAGE = 4096;

  void resize(Format format, int n_heads, int head_width) {
    const size_t item = format == Format::float32 ? 4 : format == Format::bfloat16 ? 2 : 1;
    width = round_up(head_width, 4 * LANES);
    part = POSITIONS * width * item;
    scales = 2 * part * n_heads;
    bytes = scales + (format == Format::int8 ? 2 * n_heads * POSITIONS * sizeof(float) : 0);
    bytes = (bytes + PAGE - 1) / PAGE * PAGE;
  }

  int width = 0;      // features of a head, padded with zeros
  size_t part = 0;    // bytes of a head's keys, behind which its values lie
  size_t scales = 0;  // where those of all heads begin: each has its keys' and its values'
  size_t bytes = 0;   // of a block, with all heads of all layers
};

// The cache of one key head in one layer and slot.
template <Format F>
class HeadCache {
 public:
  using Item = std::conditional_t<F == Format::float32, float,
                                  std::conditional_t<F == Format::bfloat16, uint16_t, int8_t>>;
  static constexpr int MOST_WIDTH = 1024 + 4 * LANES;
  static constexpr int GROUP = 4 / sizeof(Item);
  static constexpr bool DOT = F == Format::int8 && DOT_INT8;

  // `head` counts through the heads of all layers; `seen` positions will be looked at.
  HeadCache(const CacheLayout& layout, uint8_t* const* blocks, int head, int seen)
      : layout_(layout), blocks_(blocks), head_(head), seen_(seen) {}

  // Store rows of `width` numbers.
  void keep(int position, const float* key, const float* value) {
    const int width = layout_.width, block = position / POSITIONS, place = position % POSITIONS;
    Item items[MOST_WIDTH];
    const float key_scale = convert(key, items);
    // Bytes unsigned, as the dot-product instruction wants one of its factors.
    constexpr uint32_t FLIP = F == Format::int8 ? 0x80808080u : 0;
    uint32_t* tile = keys(block) + place / LANES * width / GROUP * LANES + place % LANES;
    for (int i = 0; i < width; i += GROUP) tile[i / GROUP * LANES] = load<uint32_t>(items + i) ^ FLIP;
    const float value_scale = convert(value, items);
    Item* to = reinterpret_cast<Item*>(values(block) + place / GROUP * width) + place % GROUP;
    for (int i = 0; i < width; i++) to[i * GROUP] = items[i];
    if constexpr (F == Format::int8) {
      key_scales(block)[place] = key_scale;
      value_scales(block)[place] = value_scale;
    }
  }

  // Numbers that `attend` needs room for.
  static size_t room(int positions) { return 2 * size_t(round_up(positions, POSITIONS)); }

  // mixed = softmax(scale * query . keys) . values over the positions seen. Meanwhile the keys of
  // `next` are asked for, whose turn it is afterwards.
  void attend(const float* query, float scale, float* room, float* mixed, const HeadCache& next) const {
    float* scores = room;
    score(query, scale, scores);
    const int padded = round_up(seen_, LANES);
    for (int t = seen_; t < padded; t++) scores[t] = -INFINITY;
    Floats largest = all(-INFINITY), total{}, largest_weight{};
    for (int t = 0; t < padded; t += LANES) largest = larger(load<Floats>(scores + t), largest);
    const Floats top = all(largest_of(largest));
    for (int t = 0; t < padded; t += LANES) {
      const Floats below = load<Floats>(scores + t) - top;
      Floats power = choose(below < -87.0f, Floats{}, exponential(below));
      total += power;
      if constexpr (F == Format::int8) {
        power *= load<Floats>(value_scales(t / POSITIONS) + t % POSITIONS);
        largest_weight = larger(power, largest_weight);
      }
      store(scores + t, power);
    }
    float share = 1.0f / sum_of(total);
    if constexpr (DOT) {
      uint8_t* upper = reinterpret_cast<uint8_t*>(room + round_up(seen_, POSITIONS));
      uint8_t* lower = upper + padded;
      share *= split(scores, largest_of(largest_weight), padded, upper, lower);
      for (int i = 0; i < layout_.width; i += 4 * LANES)
        mix_whole(upper, lower, share, i, mixed, i == 0 ? next : *this);
    } else {
      for (int i = 0; i < layout_.width; i += 4 * LANES)
        mix(scores, share, i, mixed, i == 0 ? next : *this);
    }
  }

 private:
  static constexpr int POSITIONS = CacheLayout::POSITIONS;

  uint32_t* keys(int block) const {
    return reinterpret_cast<uint32_t*>(blocks_[block] + 2 * layout_.part * head_);
  }
  uint32_t* values(int block) const { return keys(block) + layout_.part / 4; }
  float* key_scales(int block) const {
    return reinterpret_cast<float*>(blocks_[block] + layout_.scales) + 2 * POSITIONS * head_;
  }
  float* value_scales(int block) const { return key_scales(block) + POSITIONS; }

  // A row as it is stored. In int8: whole numbers from -127 to 127; returns their scale.
  float convert(const float* x, Item* to) const {
    float inverse = 1, scale = 1;
    if constexpr (F == Format::int8) {
      scale = scale_of(x, layout_.width);
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

  void score(const float* query, float scale, float* scores) const {
    const int width = layout_.width, words = width / GROUP * LANES;  // of a tile
    Item items[MOST_WIDTH];
    [[maybe_unused]] int32_t sum = 0;
    if constexpr (DOT) {
      scale *= convert(query, items);
      for (int i = 0; i < width; i++) sum += items[i];
    } else if constexpr (F == Format::bfloat16 && DOT_BFLOAT16) {
      convert(query, items);
    }
    for (int first = 0; first < seen_; first += POSITIONS) {
      const int block = first / POSITIONS, count = std::min(POSITIONS, seen_ - first);
      const uint32_t* tile = keys(block);
      for (int t = 0; t < count; t += LANES, tile += words) {
        ask_for(tile + layout_.part / 4, words);  // the values
        Floats products;
        if constexpr (DOT) {
          products = floats_of(dot_whole(tile, items, -128 * sum));
        } else if constexpr (F == Format::bfloat16 && DOT_BFLOAT16) {
          products = dot_bfloat16(tile, items);
        } else {
          products = dot_wide(tile, query);
        }
        if constexpr (F == Format::int8) products *= load<Floats>(key_scales(block) + t);
        store(scores + first + t, scale * products);
      }
    }
  }

  static INLINED Ints dot(Ints sums, Ints keys, Ints query) {
    return add_dot_products(sums, unsigned_factor(keys), signed_factor(query));
  }

  INLINED Ints dot_whole(const uint32_t* tile, const Item* query, int32_t offset) const {
    Ints even = all(offset), odd{};
    for (int i = 0; i < layout_.width; i += 8, tile += 2 * LANES) {
      even = dot(even, load<Ints>(tile), four_bytes(query + i));
      odd = dot(odd, load<Ints>(tile + LANES), four_bytes(query + i + 4));
    }
    return even + odd;
  }

  INLINED Floats dot_bfloat16(const uint32_t* tile, const Item* query) const {
    Floats even{}, odd{};
#if defined(__AVX512BF16__)
    for (int i = 0; i < layout_.width; i += 4, tile += 2 * LANES) {
      even = _mm512_dpbf16_ps(even, load<__m512bh>(tile), bits_of<__m512bh>(four_bytes(query + i)));
      odd = _mm512_dpbf16_ps(odd, load<__m512bh>(tile + LANES), bits_of<__m512bh>(four_bytes(query + i + 2)));
    }
#endif
    return even + odd;
  }

  INLINED Floats dot_wide(const uint32_t* tile, const float* query) const {
    Floats sums[4] = {};
    for (int i = 0; i < layout_.width; i += 4) {
      ALL for (int v = 0; v < 4; v += GROUP) {
        Words some = load<Words>(tile + (i + v) / GROUP * LANES);
        if constexpr (F == Format::int8) some ^= 0x80808080u;
        ALL for (int j = 0; j < GROUP; j++) sums[v + j] += query[i + v + j] * item_of(some, j);
      }
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  // Weights as whole numbers of 16 bits, in two bytes each; returns what one of them is worth.
  static float split(const float* weights, float largest, int count, uint8_t* upper, uint8_t* lower) {
    const float inverse = largest > 0 ? 65535.0f / largest : 0.0f;
    for (int t = 0; t < count; t += LANES) {
      const Ints whole = nearest(load<Floats>(weights + t) * inverse);
      store(upper + t, __builtin_convertvector(whole >> 8, Bytes));
      store(lower + t, __builtin_convertvector(whole, Bytes));
    }
    return largest / 65535.0f;
  }

  // Four vectors of the mixed values, beginning at feature i, from weights in two bytes.
  void mix_whole(const uint8_t* upper, const uint8_t* lower, float share, int i, float* mixed,
                 const HeadCache& next) const {
    Floats sums[4] = {};
    for (int first = 0; first < seen_; first += POSITIONS) {
      const int count = std::min(POSITIONS, seen_ - first);
      const uint32_t* words = values(first / POSITIONS) + i;
      const uint32_t* ahead = next.keys_ahead(first);
      Ints high[4] = {}, low[4] = {};
      for (int t = 0; t < count; t += GROUP, words += layout_.width) {
        ask_for(ahead + t / GROUP * layout_.width, layout_.width);
        const Factor high_weights = unsigned_factor(four_bytes(upper + first + t));
        const Factor low_weights = unsigned_factor(four_bytes(lower + first + t));
        ALL for (int v = 0; v < 4; v++) {
          const Factor some = signed_factor(load<Ints>(words + v * LANES));
          high[v] = add_dot_products(high[v], high_weights, some);
          low[v] = add_dot_products(low[v], low_weights, some);
        }
      }
      ALL for (int v = 0; v < 4; v++) sums[v] += 256.0f * floats_of(high[v]) + floats_of(low[v]);
    }
    ALL for (int v = 0; v < 4; v++) store(mixed + i + v * LANES, sums[v] * share);
  }

  // The same from weights that are floats. Beyond the last position seen they are 0.
  void mix(const float* weights, float share, int i, float* mixed, const HeadCache& next) const {
    Floats sums[4] = {};
    for (int first = 0; first < seen_; first += POSITIONS) {
      const int count = std::min(POSITIONS, seen_ - first);
      const uint32_t* words = values(first / POSITIONS) + i;
      const uint32_t* ahead = next.keys_ahead(first);
      for (int t = 0; t < count; t += GROUP, words += layout_.width) {
        ask_for(ahead + t / GROUP * layout_.width, layout_.width);
        ALL for (int v = 0; v < 4; v++) {
          const Words some = load<Words>(words + v * LANES);
          ALL for (int j = 0; j < GROUP; j++) sums[v] += weights[first + t + j] * item_of(some, j);
        }
      }
    }
    ALL for (int v = 0; v < 4; v++) store(mixed + i + v * LANES, sums[v] * share);
  }

  // The keys of the block that holds a position; the first ones where it has none.
  const uint32_t* keys_ahead(int position) const {
    return keys(position < seen_ ? position / POSITIONS : 0);
  }

  // Memory is slow to answer and has many questions at a time open: these words will be needed.
  static INLINED void ask_for(const uint32_t* words, int count) {
    for (int i = 0; i < count; i += 16) __builtin_prefetch(words + i, 0, 2);
  }

  // The j-th item of each word, as a float.
  static INLINED Floats item_of(Words words, int j) {
    if constexpr (F == Format::float32) return bits_of<Floats>(words);
    if constexpr (F == Format::bfloat16)
      return bits_of<Floats>(j == 0 ? words << 16 : words & 0xffff0000u);
    return floats_of((bits_of<Ints>(words) << (24 - 8 * j)) >> 24);
  }

  const CacheLayout& layout_;
  uint8_t* const* blocks_;
  const int head_, seen_;
};
