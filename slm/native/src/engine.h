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
#include "thread_pool.h"

// Must agree with _Shape in slm/native/engine.py.
struct Shape {
  int32_t vocab_size, block_size, n_layer, n_head, kv_heads, n_embd, head_width, mlp_width;
  int32_t rms_norm, rotary, gated, qk_norm, tied;  // each 0 or 1
  int32_t dtype, slots, threads;
  float norm_eps;
};

struct Norm {
  AlignedBuffer weight, bias;  // of zeros where the model has none
};

struct Layer {
  Norm attention_norm, mlp_norm;
  AlignedBuffer q_norm, k_norm;
  Matrix qkv, out, up, down;
  // Panels of qkv: first those of all queries, then of keys, then of values.
  // Panels of up, where the MLP is gated: gate, up, gate, up, ...
};

class Engine {
 public:
  explicit Engine(const Shape& shape);

  // Take over a tensor of the model; false where the name or the number of its values is unknown.
  bool load_tensor(const std::string& name, const float* values, int64_t count);

  // Add n rows; logits of the last n_logits of them go to logits[n_logits][vocab_size].
  void run(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids, int n_logits,
           float* logits);

  // The same, but of the last n_scored rows nats[i] = -ln of the probability of targets[i].
  void surprisal(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids, int n_scored,
             const int32_t* targets, float* nats);

  // Forget what a slot holds: its memory is for any text.
  void free_slot(int slot);

 private:
  static constexpr int MAX_ROWS = 96;  // computed at once
  static constexpr int MIN_SHARED_ROWS = 4;    // below this, threads do the small work twice, not in turn

  void allocate_kv_pages(int n, const int32_t* slots, const int32_t* positions);
  void run_part(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                int n_logits, float* logits, const int32_t* targets, float* nats);
  // use(first, some, wanted) for at most MOST_ROWS rows at a time, of which the last `wanted` are
  // among the last n_wanted of all.
  template <class Call>
  static void for_each_part(int n, int n_wanted, const Call& call);
  void work(int thread, int of);
  template <Dtype F>
  void attention(int layer, int thread, int of);
  template <Dtype F>
  HeadCache<F> cache(int layer, int item) const;
  template <Dtype F>
  void store_kv(int layer, int item);
  template <Dtype F>
  void attend_head(int layer, int item, int next, float* scratch);
  void norm_and_rotate(const float* from, const AlignedBuffer& norm, int position, float* to) const;
  void normalize(const float* x, const Norm& norm, float* to) const;
  template <class SetRow>
  const Activations& prepare_rows(int n, int thread, int of, const SetRow& set);
  bool load_norm(Norm& norm, const std::string& part, const float* values, int64_t count) const;

  HugePageArena memory_;
  const Shape shape_;
  const Dtype dtype_;
  const int q_panels_, kv_panels_, mlp_panels_, width_, qkv_width_;
  std::vector<Layer> layers_;
  Norm final_norm_;
  Matrix embedding_, head_;  // head_ stays empty where it is tied to the embedding
  AlignedBuffer positions_, cos_, sin_;
  KvPageLayout kv_layout_;
  std::vector<std::vector<uint8_t*>> kv_pages_;  // the blocks of each, as in `cache_layout_`
  std::vector<uint8_t*> free_pages_;

  const bool use_amx_;

  // What is being computed.
  struct Scratch {
    Activations activations;
    AlignedBuffer row, attention;
  };
  std::vector<Scratch> scratch_;  // one a thread
  AlignedBuffer residual_, qkv_, heads_out_, hidden_;
  int n_ = 0, n_logits_ = 0;
  const int32_t *row_slots_ = nullptr, *row_positions_ = nullptr, *row_ids_ = nullptr;
  float* logits_ = nullptr;
  const int32_t* targets_ = nullptr;  // of the rows with logits, where they are scored
  float* nats_ = nullptr;
  bool slots_differ_ = false;
  std::mutex running_;
  ThreadPool threads_;
};
