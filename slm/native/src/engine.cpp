#include "engine.h"

namespace {

// The part of n items that a thread processes: [first, last).
struct Share {
  int first, last;
  Share(int n, int thread, int of)
      : first(int(int64_t(n) * thread / of)), last(int(int64_t(n) * (thread + 1) / of)) {}
};

// ln(sum of e^x).
float log_sum_exp(const float* x, int count) {
  const float top = *std::max_element(x, x + count);
  f32v totals{};
  int i = 0;
  for (; i + LANES <= count; i += LANES) totals += vector_exp(load<f32v>(x + i) - top);
  float total = reduce_add(totals);
  for (; i < count; i++) total += std::exp(x[i] - top);
  return top + std::log(total);
}

}  // namespace

void Engine::run(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                 int n_logits, float* logits) {
  std::lock_guard<std::mutex> guard(running_);
  allocate_kv_pages(n, slots, positions);
  for_each_part(n, n_logits, [&](int first, int count, int wanted) {
    run_part(count, slots + first, positions + first, ids + first, wanted, logits, nullptr, nullptr);
    logits += size_t(wanted) * shape_.vocab_size;
  });
}

void Engine::surprisal(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                       int n_scored, const int32_t* targets, float* nats) {
  std::lock_guard<std::mutex> guard(running_);
  allocate_kv_pages(n, slots, positions);
  std::vector<float> logits(size_t(std::min(n_scored, MAX_ROWS)) * shape_.vocab_size);
  for_each_part(n, n_scored, [&](int first, int count, int wanted) {
    run_part(count, slots + first, positions + first, ids + first, wanted, logits.data(), targets, nats);
    targets += wanted, nats += wanted;
  });
}

template <class Call>
void Engine::for_each_part(int n, int n_wanted, const Call& call) {
  for (int first = 0; first < n; first += MAX_ROWS) {
    const int count = std::min(MAX_ROWS, n - first);
    const int n_unwanted = std::max(0, n - n_wanted - first);
    call(first, count, std::max(0, count - n_unwanted));
  }
}

// Make sure that these rows have memory for their keys and values.
void Engine::allocate_kv_pages(int n, const int32_t* slots, const int32_t* positions) {
  for (int row = 0; row < n; row++) {
    std::vector<uint8_t*>& pages = kv_pages_[slots[row]];
    while (pages.size() * KvPageLayout::POSITIONS <= size_t(positions[row])) {
      if (free_pages_.empty())
        free_pages_.push_back(memory_.allocate(kv_layout_.bytes, KvPageLayout::OS_PAGE));
      pages.push_back(free_pages_.back());
      free_pages_.pop_back();
    }
  }
}

void Engine::free_slot(int slot) {
  std::lock_guard<std::mutex> guard(running_);
  free_pages_.insert(free_pages_.end(), kv_pages_[slot].rbegin(), kv_pages_[slot].rend());
  kv_pages_[slot].clear();
}

void Engine::run_part(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                      int n_logits, float* logits, const int32_t* targets, float* nats) {
  n_ = n;
  row_slots_ = slots, row_positions_ = positions, row_ids_ = ids;
  n_logits_ = n_logits, logits_ = logits, targets_ = targets, nats_ = nats;
  std::vector<bool> seen_slots(kv_pages_.size());
  slots_differ_ = true;
  for (int row = 0; row < n; row++) {
    slots_differ_ = slots_differ_ && !seen_slots[slots[row]];
    seen_slots[slots[row]] = true;
  }
  threads_.run([](void* self, int thread, int of) { static_cast<Engine*>(self)->work(thread, of); },
            this);
}

// Convert rows to the form that matrices multiply, by set(row, activations). Each thread converts a
// few rows for itself; many rows are divided among the threads, which then wait for each other.
template <class SetRow>
const Activations& Engine::prepare_rows(int n, int thread, int of, const SetRow& set) {
  const bool alone = n < MIN_SHARED_ROWS;
  Activations& to = scratch_[alone ? thread : 0].activations;
  const Share share(n, alone ? 0 : thread, alone ? 1 : of);
  for (int row = share.first; row < share.last; row++) set(row, to);
  if (!alone) threads_.barrier(of);
  return to;
}

void Engine::work(int thread, int of) {
  const TileConfig tiles(use_amx_);
  const int c = shape_.n_embd, q_width = shape_.n_head * shape_.head_width;
  const int heads_width = round_up(q_width, INPUT_STEP), hidden_width = mlp_panels_ * PANEL;
  float *residual = residual_.as<float>(), *qkv = qkv_.as<float>();
  float *heads_out = heads_out_.as<float>(), *hidden = hidden_.as<float>();
  float* row_buffer = scratch_[thread].row.as<float>();
  const auto normed = [&](const Norm& norm, int first) {
    return [&, first](int row, Activations& to) {
      normalize(residual + size_t(first + row) * width_, norm, row_buffer);
      to.set(row, row_buffer, c);
    };
  };
  const auto add_to_residual = [&](int panel) {
    return [=](int row, const float* sums) {
      float* to = residual + size_t(row) * width_ + panel * PANEL;
      for (int i = 0; i < PANEL; i += LANES) store(to + i, load<f32v>(to + i) + load<f32v>(sums + i));
    };
  };

  const Share rows(n_, thread, of);
  for (int row = rows.first; row < rows.last; row++) {
    float* to = residual + size_t(row) * width_;
    embedding_.unpack(row_ids_[row], c, to);
    if (!shape_.rotary) {
      const float* position = positions_.as<float>() + size_t(row_positions_[row]) * c;
      for (int i = 0; i < c; i++) to[i] += position[i];
    }
  }
  threads_.barrier(of);

  for (int number = 0; number < shape_.n_layer; number++) {
    const Layer& layer = layers_[number];
    const Activations& before = prepare_rows(n_, thread, of, normed(layer.attention_norm, 0));
    const Share qkv_share(layer.qkv.panels(), thread, of);
    for (int panel = qkv_share.first; panel < qkv_share.last; panel++)
      layer.qkv.multiply(before, n_, panel, [&](int row, const float* sums) {
        std::memcpy(qkv + size_t(row) * qkv_width_ + panel * PANEL, sums, PANEL * sizeof(float));
      });
    threads_.barrier(of);

    if (dtype_ == Dtype::float32) attention<Dtype::float32>(number, thread, of);
    if (dtype_ == Dtype::bfloat16) attention<Dtype::bfloat16>(number, thread, of);
    if (dtype_ == Dtype::int8) attention<Dtype::int8>(number, thread, of);
    threads_.barrier(of);

    const Activations& heads = prepare_rows(n_, thread, of, [&](int row, Activations& to) {
      to.set(row, heads_out + size_t(row) * heads_width, q_width);
    });
    const Share c_share(width_ / PANEL, thread, of);
    for (int panel = c_share.first; panel < c_share.last; panel++)
      layer.out.multiply(heads, n_, panel, add_to_residual(panel));
    threads_.barrier(of);

    const Activations& between = prepare_rows(n_, thread, of, normed(layer.mlp_norm, 0));
    const Share mlp_share(mlp_panels_, thread, of);
    for (int panel = mlp_share.first; panel < mlp_share.last; panel++) {
      if (shape_.gated)
        layer.up.multiply(between, n_, 2 * panel, [&](int row, const float* sums) {
          float* to = hidden + size_t(row) * hidden_width + panel * PANEL;
          for (int i = 0; i < PANEL; i += LANES) store(to + i, silu(load<f32v>(sums + i)));
        });
      layer.up.multiply(between, n_, shape_.gated ? 2 * panel + 1 : panel, [&](int row, const float* sums) {
        float* to = hidden + size_t(row) * hidden_width + panel * PANEL;
        for (int i = 0; i < PANEL; i += LANES) {
          const f32v sum = load<f32v>(sums + i);
          store(to + i, shape_.gated ? load<f32v>(to + i) * sum : gelu(sum));
        }
      });
    }
    threads_.barrier(of);

    const Activations& inner = prepare_rows(n_, thread, of, [&](int row, Activations& to) {
      to.set(row, hidden + size_t(row) * hidden_width, shape_.mlp_width);
    });
    for (int panel = c_share.first; panel < c_share.last; panel++)
      layer.down.multiply(inner, n_, panel, add_to_residual(panel));
    threads_.barrier(of);
  }

  if (n_logits_ == 0) return;
  const Matrix& head = shape_.tied ? embedding_ : head_;
  const Activations& last = prepare_rows(n_logits_, thread, of, normed(final_norm_, n_ - n_logits_));
  const Share share(head.panels(), thread, of);
  for (int panel = share.first; panel < share.last; panel++) {
    const int count = std::min(PANEL, shape_.vocab_size - panel * PANEL);
    head.multiply(last, n_logits_, panel, [&](int row, const float* sums) {
      std::memcpy(logits_ + size_t(row) * shape_.vocab_size + panel * PANEL, sums, count * sizeof(float));
    });
  }
  if (targets_ == nullptr) return;
  threads_.barrier(of);
  const Share scored(n_logits_, thread, of);
  for (int row = scored.first; row < scored.last; row++) {
    const float* logits = logits_ + size_t(row) * shape_.vocab_size;
    nats_[row] = log_sum_exp(logits, shape_.vocab_size) - logits[targets_[row]];
  }
}

void Engine::normalize(const float* x, const Norm& norm, float* to) const {
  const int c = shape_.n_embd;
  const float *weight = norm.weight.as<float>(), *bias = norm.bias.as<float>();
  f32v mean{};
  if (!shape_.rms_norm) {
    f32v sums{};
    for (int i = 0; i < width_; i += LANES) sums += load<f32v>(x + i);
    mean = broadcast(reduce_add(sums) / float(c));
  }
  f32v squares{};
  for (int i = 0; i < width_; i += LANES) {
    const f32v from_mean = load<f32v>(x + i) - mean;
    squares += from_mean * from_mean;
  }
  // Beyond the model's width x is 0, so each padding element has added the square of the mean.
  const float variance = (reduce_add(squares) - float(width_ - c) * mean[0] * mean[0]) / float(c);
  const f32v scale = broadcast(1.0f / std::sqrt(variance + shape_.norm_eps));
  for (int i = 0; i < round_up(c, INPUT_STEP); i += LANES)
    store(to + i, (load<f32v>(x + i) - mean) * scale * load<f32v>(weight + i) + load<f32v>(bias + i));
}

// A query or key head, with QK-norm and rotary position if the model has them.
void Engine::norm_and_rotate(const float* from, const AlignedBuffer& norm, int position,
                             float* to) const {
  const int d = shape_.head_width, width = kv_layout_.width;
  std::memcpy(to, from, d * sizeof(float));
  std::fill(to + d, to + width, 0.0f);
  if (shape_.qk_norm) {
    f32v squares{};
    for (int i = 0; i < width; i += LANES) squares += load<f32v>(to + i) * load<f32v>(to + i);
    const float scale = 1.0f / std::sqrt(reduce_add(squares) / float(d) + shape_.norm_eps);
    const float* weight = norm.as<float>();
    for (int i = 0; i < width; i += LANES)
      store(to + i, load<f32v>(to + i) * scale * load<f32v>(weight + i));
  }
  if (shape_.rotary) {
    const float* __restrict cos = cos_.as<float>() + size_t(position) * (d / 2);
    const float* __restrict sin = sin_.as<float>() + size_t(position) * (d / 2);
    float* __restrict first_half = to;
    float* __restrict second_half = to + d / 2;
    for (int i = 0; i < d / 2; i++) {
      const float first = first_half[i], second = second_half[i];
      first_half[i] = first * cos[i] - second * sin[i];
      second_half[i] = second * cos[i] + first * sin[i];
    }
  }
}

// An item is a key head of a row.
template <Dtype F>
HeadCache<F> Engine::cache(int number, int item) const {
  const int row = item / shape_.kv_heads, head = number * shape_.kv_heads + item % shape_.kv_heads;
  return {kv_layout_, kv_pages_[row_slots_[row]].data(), head, row_positions_[row] + 1};
}

template <Dtype F>
void Engine::attention(int number, int thread, int of) {
  float* scratch = scratch_[thread].attention.as<float>();
  const Share share(n_ * shape_.kv_heads, thread, of);
  const auto attend_one = [=, last = share.last - 1](int item) {
    attend_head<F>(number, item, std::min(item + 1, last), scratch);
  };
  for (int item = share.first; item < share.last; item++) {
    store_kv<F>(number, item);
    if (slots_differ_) attend_one(item);
  }
  if (slots_differ_) return;
  threads_.barrier(of);  // a row attends to the keys of the rows before it
  for (int item = share.first; item < share.last; item++) attend_one(item);
}

// Store a row's key and value in the cache.
template <Dtype F>
void Engine::store_kv(int number, int item) {
  const int d = shape_.head_width, row = item / shape_.kv_heads, head = item % shape_.kv_heads;
  const float* keys = qkv_.as<float>() + size_t(row) * qkv_width_ + q_panels_ * PANEL;
  const float* values = keys + kv_panels_ * PANEL;
  float key[HeadCache<F>::MAX_WIDTH], value[HeadCache<F>::MAX_WIDTH];
  norm_and_rotate(keys + head * d, layers_[number].k_norm, row_positions_[row], key);
  std::memcpy(value, values + head * d, d * sizeof(float));
  std::fill(value + d, value + kv_layout_.width, 0.0f);
  cache<F>(number, item).store_kv(row_positions_[row], key, value);
}

// Attention of the query heads that share a key head, over the slot's positions up to the row's own.
template <Dtype F>
void Engine::attend_head(int number, int item, int next, float* scratch) {
  const int d = shape_.head_width, queries_per_key = shape_.n_head / shape_.kv_heads;
  const int row = item / shape_.kv_heads, head = item % shape_.kv_heads;
  const float* queries = qkv_.as<float>() + size_t(row) * qkv_width_;
  float* to = heads_out_.as<float>() + size_t(row) * round_up(shape_.n_head * d, INPUT_STEP);
  const HeadCache<F> seen = cache<F>(number, item), seen_next = cache<F>(number, next);
  for (int q = head * queries_per_key; q < (head + 1) * queries_per_key; q++) {
    float query[HeadCache<F>::MAX_WIDTH], mixed[HeadCache<F>::MAX_WIDTH];
    norm_and_rotate(queries + q * d, layers_[number].q_norm, row_positions_[row], query);
    seen.attend(query, 1.0f / std::sqrt(float(d)), scratch, mixed, seen_next);
    std::memcpy(to + q * d, mixed, d * sizeof(float));
  }
}
