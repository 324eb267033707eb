// A decoder-only transformer that reads ids into slots, each with its own keys and values.
//
// The same arithmetic as slm/model, one token a row. A row is (slot, position, id); rows of several
// slots, and several rows of one slot in order, are computed together. What is computed for a row
// depends on its own slot alone, to the last bit.
//
// Letters: C width of the residual stream, D width of a head, M width of the MLP.
#pragma once

#include <string>

#include "attention.h"
#include "team.h"

// Must agree with _Shape in slm/native/engine.py.
struct Shape {
  int32_t vocab_size, block_size, n_layer, n_head, kv_heads, n_embd, head_width, mlp_width;
  int32_t rms_norm, rotary, gated, qk_norm, tied;  // each 0 or 1
  int32_t format, slots, threads;
  float norm_eps;
};

struct Norm {
  Block weight, bias;  // of zeros where the model has none
};

struct Layer {
  Norm attention_norm, mlp_norm;
  Block q_norm, k_norm;
  Matrix qkv, out, up, down;
  // Panels of qkv: first those of all queries, then of keys, then of values.
  // Panels of up, where the MLP is gated: gate, up, gate, up, ...
};

class Decoder {
 public:
  explicit Decoder(const Shape& shape);

  // Take over a tensor of the model; false where the name or the number of its values is unknown.
  bool take(const std::string& name, const float* values, int64_t count);

  // Add n rows; logits of the last n_logits of them go to logits[n_logits][vocab_size].
  void run(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids, int n_logits,
           float* logits);

  // The same, but of the last n_scored rows nats[i] = -ln of the probability of targets[i].
  void score(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids, int n_scored,
             const int32_t* targets, float* nats);

  // Forget what a slot holds: its memory is for any text.
  void release(int slot);

 private:
  static constexpr int MOST_ROWS = 96;  // computed at once
  static constexpr int FEW_ROWS = 4;    // below this, threads do the small work twice, not in turn

  void take_blocks(int n, const int32_t* slots, const int32_t* positions);
  void run_some(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                int n_logits, float* logits, const int32_t* targets, float* nats);
  // use(first, some, wanted) for at most MOST_ROWS rows at a time, of which the last `wanted` are
  // among the last n_wanted of all.
  template <class Use>
  static void in_parts(int n, int n_wanted, const Use& use);
  void work(int thread, int of);
  template <Format F>
  void attend(int layer, int thread, int of);
  template <Format F>
  HeadCache<F> cache(int layer, int item) const;
  template <Format F>
  void keep(int layer, int item);
  template <Format F>
  void mix(int layer, int item, int next, float* room);
  void head_of(const float* from, const Block& norm, int position, float* to) const;
  void normalise(const float* x, const Norm& norm, float* to) const;
  template <class Set>
  const Activations& prepare(int n, int thread, int of, const Set& set);
  bool take_norm(Norm& norm, const std::string& part, const float* values, int64_t count) const;

  LargePages memory_;
  const Shape shape_;
  const Format format_;
  const int q_panels_, kv_panels_, mlp_panels_, width_, qkv_width_;
  std::vector<Layer> layers_;
  Norm final_norm_;
  Matrix embedding_, head_;  // head_ stays empty where it is tied to the embedding
  Block positions_, cos_, sin_;
  CacheLayout cache_layout_;
  std::vector<std::vector<uint8_t*>> slots_;  // the blocks of each, as in `cache_layout_`
  std::vector<uint8_t*> free_blocks_;

  const bool use_tiles_;

  // What is being computed.
  struct Scratch {
    Activations activations;
    Block row, attention;
  };
  std::vector<Scratch> scratch_;  // one a thread
  Block residual_, qkv_, mixed_, hidden_;
  int n_ = 0, n_logits_ = 0;
  const int32_t *row_slots_ = nullptr, *row_positions_ = nullptr, *row_ids_ = nullptr;
  float* logits_ = nullptr;
  const int32_t* targets_ = nullptr;  // of the rows with logits, where they are scored
  float* nats_ = nullptr;
  bool slots_differ_ = false;
  std::mutex running_;
  Team team_;
};
