// A decoder-only transformer. It reads ids into slots, each with its own keys and values.
//
// The arithmetic is that of slm/model, one token per row. A row is (slot, position, id). Rows of
// several slots, and consecutive rows of one slot, are computed together. The result of a row depends
// on its own slot only, bit for bit.
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
  AlignedBuffer weight, bias;  // zeros if the model has none
};

struct Layer {
  Norm attention_norm, mlp_norm;
  AlignedBuffer q_norm, k_norm;
  Matrix qkv, out, up, down;
  // Panels of qkv: those of all queries, then of the keys, then of the values.
  // Panels of up, if the MLP is gated: gate, up, gate, up, ...
};

class Engine {
 public:
  explicit Engine(const Shape& shape);

  // Copy a tensor of the model; false if its name or its number of values is unknown.
  bool load_tensor(const std::string& name, const float* values, int64_t count);

  // Compute n rows; write the logits of the last n_logits of them to logits[n_logits][vocab_size].
  void run(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids, int n_logits,
           float* logits);

  // The same, but for the last n_scored rows write nats[i] = -ln(probability of targets[i]).
  void surprisal(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                 int n_scored, const int32_t* targets, float* nats);

  // Empty a slot; its memory is used for later sequences in any slot.
  void free_slot(int slot);

 private:
  static constexpr int MAX_ROWS = 96;        // computed at once
  static constexpr int MIN_SHARED_ROWS = 4;  // with fewer, each thread prepares all rows itself

  void allocate_kv_pages(int n, const int32_t* slots, const int32_t* positions);
  void run_part(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                int n_logits, float* logits, const int32_t* targets, float* nats);
  // Call call(first, count, wanted) for up to MAX_ROWS rows at a time; the last `wanted` of them are
  // among the last n_wanted of all rows.
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
  Matrix embedding_, head_;  // head_ is empty if it is tied to the embedding
  AlignedBuffer positions_, cos_, sin_;
  KvPageLayout kv_layout_;
  std::vector<std::vector<uint8_t*>> kv_pages_;  // of each slot, with `kv_layout_`
  std::vector<uint8_t*> free_pages_;

  const bool use_amx_;

  // The computation in progress.
  struct Scratch {
    Activations activations;
    AlignedBuffer row, attention;
  };
  std::vector<Scratch> scratch_;  // one per thread
  AlignedBuffer residual_, qkv_, heads_out_, hidden_;
  int n_ = 0, n_logits_ = 0;
  const int32_t *row_slots_ = nullptr, *row_positions_ = nullptr, *row_ids_ = nullptr;
  float* logits_ = nullptr;
  const int32_t* targets_ = nullptr;  // of the rows with logits, for `surprisal`
  float* nats_ = nullptr;
  bool slots_differ_ = false;
  std::mutex running_;
  ThreadPool threads_;
};
