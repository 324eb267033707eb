#include "decoder.h"

namespace {

// The share of n things that a thread takes: [first, last).
struct Share {
  int first, last;
  Share(int n, int thread, int of)
      : first(int(int64_t(n) * thread / of)), last(int(int64_t(n) * (thread + 1) / of)) {}
};

// ln of the sum of e^x.
float log_of_total(const float* x, int count) {
  const float top = *std::max_element(x, x + count);
  Floats totals{};
  int i = 0;
  for (; i + LANES <= count; i += LANES) totals += exponential(load<Floats>(x + i) - top);
  float total = sum_of(totals);
  for (; i < count; i++) total += std::exp(x[i] - top);
  return top + std::log(total);
}

}  // namespace

void Decoder::run(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                  int n_logits, float* logits) {
  std::lock_guard<std::mutex> guard(running_);
  take_blocks(n, slots, positions);
  in_parts(n, n_logits, [&](int first, int some, int wanted) {
    run_some(some, slots + first, positions + first, ids + first, wanted, logits, nullptr, nullptr);
    logits += size_t(wanted) * shape_.vocab_size;
  });
}

void Decoder::score(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                    int n_scored, const int32_t* targets, float* nats) {
  std::lock_guard<std::mutex> guard(running_);
  take_blocks(n, slots, positions);
  std::vector<float> logits(size_t(std::min(n_scored, MOST_ROWS)) * shape_.vocab_size);
  in_parts(n, n_scored, [&](int first, int some, int wanted) {
    run_some(some, slots + first, positions + first, ids + first, wanted, logits.data(), targets, nats);
    targets += wanted, nats += wanted;
  });
}

template <class Use>
void Decoder::in_parts(int n, int n_wanted, const Use& use) {
  for (int first = 0; first < n; first += MOST_ROWS) {
    const int some = std::min(MOST_ROWS, n - first);
    const int n_without = std::max(0, n - n_wanted - first);  // rows of these that are not wanted
    use(first, some, std::max(0, some - n_without));
  }
}

// Memory for the keys and values of these rows.
void Decoder::take_blocks(int n, const int32_t* slots, const int32_t* positions) {
  for (int row = 0; row < n; row++) {
    std::vector<uint8_t*>& blocks = slots_[slots[row]];
    while (blocks.size() * CacheLayout::POSITIONS <= size_t(positions[row])) {
      if (free_blocks_.empty())
        free_blocks_.push_back(memory_.take(cache_layout_.bytes, CacheLayout::PAGE));
      blocks.push_back(free_blocks_.back());
      free_blocks_.pop_back();
    }
  }
}

void Decoder::release(int slot) {
  std::lock_guard<std::mutex> guard(running_);
  free_blocks_.insert(free_blocks_.end(), slots_[slot].rbegin(), slots_[slot].rend());
  slots_[slot].clear();
}

void Decoder::run_some(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                       int n_logits, float* logits, const int32_t* targets, float* nats) {
  n_ = n;
  row_slots_ = slots, row_positions_ = positions, row_ids_ = ids;
  n_logits_ = n_logits, logits_ = logits, targets_ = targets, nats_ = nats;
  std::vector<bool> met(slots_.size());
  slots_differ_ = true;
  for (int row = 0; row < n; row++) {
    slots_differ_ = slots_differ_ && !met[slots[row]];
    met[slots[row]] = true;
  }
  team_.run([](void* self, int thread, int of) { static_cast<Decoder*>(self)->work(thread, of); },
            this);
}

// Rows in the form that products take: set(row, activations). Few rows each thread makes for
// itself; many are divided, and the threads then meet.
template <class Set>
const Activations& Decoder::prepare(int n, int thread, int of, const Set& set) {
  const bool alone = n < FEW_ROWS;
  Activations& to = scratch_[alone ? thread : 0].activations;
  const Share share(n, alone ? 0 : thread, alone ? 1 : of);
  for (int row = share.first; row < share.last; row++) set(row, to);
  if (!alone) team_.meet(of);
  return to;
}

void Decoder::work(int thread, int of) {
  const TileShapes shapes(use_tiles_);
  const int c = shape_.n_embd, q_width = shape_.n_head * shape_.head_width;
  const int mixed_width = round_up(q_width, INPUT_STEP), hidden_width = mlp_panels_ * PANEL;
  float *residual = residual_.as<float>(), *qkv = qkv_.as<float>();
  float *mixed = mixed_.as<float>(), *hidden = hidden_.as<float>();
  float* row_buffer = scratch_[thread].row.as<float>();
  const auto normed = [&](const Norm& norm, int first) {
    return [&, first](int row, Activations& to) {
      normalise(residual + size_t(first + row) * width_, norm, row_buffer);
      to.set(row, row_buffer, c);
    };
  };
  const auto add_to_residual = [&](int panel) {
    return [=](int row, const float* sums) {
      float* to = residual + size_t(row) * width_ + panel * PANEL;
      for (int i = 0; i < PANEL; i += LANES) store(to + i, load<Floats>(to + i) + load<Floats>(sums + i));
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
  team_.meet(of);

  for (int number = 0; number < shape_.n_layer; number++) {
    const Layer& layer = layers_[number];
    const Activations& before = prepare(n_, thread, of, normed(layer.attention_norm, 0));
    const Share qkv_share(layer.qkv.panels(), thread, of);
    for (int panel = qkv_share.first; panel < qkv_share.last; panel++)
      layer.qkv.multiply(before, n_, panel, [&](int row, const float* sums) {
        std::memcpy(qkv + size_t(row) * qkv_width_ + panel * PANEL, sums, PANEL * sizeof(float));
      });
    team_.meet(of);

    if (format_ == Format::float32) attend<Format::float32>(number, thread, of);
    if (format_ == Format::bfloat16) attend<Format::bfloat16>(number, thread, of);
    if (format_ == Format::int8) attend<Format::int8>(number, thread, of);
    team_.meet(of);

    const Activations& heads = prepare(n_, thread, of, [&](int row, Activations& to) {
      to.set(row, mixed + size_t(row) * mixed_width, q_width);
    });
    const Share c_share(width_ / PANEL, thread, of);
    for (int panel = c_share.first; panel < c_share.last; panel++)
      layer.out.multiply(heads, n_, panel, add_to_residual(panel));
    team_.meet(of);

    const Activations& between = prepare(n_, thread, of, normed(layer.mlp_norm, 0));
    const Share mlp_share(mlp_panels_, thread, of);
    for (int panel = mlp_share.first; panel < mlp_share.last; panel++) {
      if (shape_.gated)
        layer.up.multiply(between, n_, 2 * panel, [&](int row, const float* sums) {
          float* to = hidden + size_t(row) * hidden_width + panel * PANEL;
          for (int i = 0; i < PANEL; i += LANES) store(to + i, silu(load<Floats>(sums + i)));
        });
      layer.up.multiply(between, n_, shape_.gated ? 2 * panel + 1 : panel, [&](int row, const float* sums) {
        float* to = hidden + size_t(row) * hidden_width + panel * PANEL;
        for (int i = 0; i < PANEL; i += LANES) {
          const Floats sum = load<Floats>(sums + i);
          store(to + i, shape_.gated ? load<Floats>(to + i) * sum : gelu(sum));
        }
      });
    }
    team_.meet(of);

    const Activations& inner = prepare(n_, thread, of, [&](int row, Activations& to) {
      to.set(row, hidden + size_t(row) * hidden_width, shape_.mlp_width);
    });
    for (int panel = c_share.first; panel < c_share.last; panel++)
      layer.down.multiply(inner, n_, panel, add_to_residual(panel));
    team_.meet(of);
  }

  if (n_logits_ == 0) return;
  const Matrix& head = shape_.tied ? embedding_ : head_;
  const Activations& last = prepare(n_logits_, thread, of, normed(final_norm_, n_ - n_logits_));
  const Share share(head.panels(), thread, of);
  for (int panel = share.first; panel < share.last; panel++) {
    const int count = std::min(PANEL, shape_.vocab_size - panel * PANEL);
    head.multiply(last, n_logits_, panel, [&](int row, const float* sums) {
      std::memcpy(logits_ + size_t(row) * shape_.vocab_size + panel * PANEL, sums, count * sizeof(float));
    });
  }
  if (targets_ == nullptr) return;
  team_.meet(of);
  const Share scored(n_logits_, thread, of);
  for (int row = scored.first; row < scored.last; row++) {
    const float* logits = logits_ + size_t(row) * shape_.vocab_size;
    nats_[row] = log_of_total(logits, shape_.vocab_size) - logits[targets_[row]];
  }
}

void Decoder::normalise(const float* x, const Norm& norm, float* to) const {
  const int c = shape_.n_embd;
  const float *weight = norm.weight.as<float>(), *bias = norm.bias.as<float>();
  Floats mean{};
  if (!shape_.rms_norm) {
    Floats sums{};
    for (int i = 0; i < width_; i += LANES) sums += load<Floats>(x + i);
    mean = all(sum_of(sums) / float(c));
  }
  Floats squares{};
  for (int i = 0; i < width_; i += LANES) {
    const Floats from_mean = load<Floats>(x + i) - mean;
    squares += from_mean * from_mean;
  }
  // Beyond the model's width x is 0, so that only the mean itself was counted there.
  const float variance = (sum_of(squares) - float(width_ - c) * mean[0] * mean[0]) / float(c);
  const Floats scale = all(1.0f / std::sqrt(variance + shape_.norm_eps));
  for (int i = 0; i < round_up(c, INPUT_STEP); i += LANES)
    store(to + i, (load<Floats>(x + i) - mean) * scale * load<Floats>(weight + i) + load<Floats>(bias + i));
}

// A query or key head: normed and turned to its position where the model does so.
void Decoder::head_of(const float* from, const Block& norm, int position, float* to) const {
  const int d = shape_.head_width, width = cache_layout_.width;
  std::memcpy(to, from, d * sizeof(float));
  std::fill(to + d, to + width, 0.0f);
  if (shape_.qk_norm) {
    Floats squares{};
    for (int i = 0; i < width; i += LANES) squares += load<Floats>(to + i) * load<Floats>(to + i);
    const float scale = 1.0f / std::sqrt(sum_of(squares) / float(d) + shape_.norm_eps);
    const float* weight = norm.as<float>();
    for (int i = 0; i < width; i += LANES)
      store(to + i, load<Floats>(to + i) * scale * load<Floats>(weight + i));
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
template <Format F>
HeadCache<F> Decoder::cache(int number, int item) const {
  const int row = item / shape_.kv_heads, head = number * shape_.kv_heads + item % shape_.kv_heads;
  return {cache_layout_, slots_[row_slots_[row]].data(), head, row_positions_[row] + 1};
}

template <Format F>
void Decoder::attend(int number, int thread, int of) {
  float* room = scratch_[thread].attention.as<float>();
  const Share share(n_ * shape_.kv_heads, thread, of);
  const auto mix_one = [=, last = share.last - 1](int item) {
    mix<F>(number, item, std::min(item + 1, last), room);
  };
  for (int item = share.first; item < share.last; item++) {
    keep<F>(number, item);
    if (slots_differ_) mix_one(item);
  }
  if (slots_differ_) return;
  team_.meet(of);  // a row sees the keys of the rows before it
  for (int item = share.first; item < share.last; item++) mix_one(item);
}

// Store a row's key and value.
template <Format F>
void Decoder::keep(int number, int item) {
  const int d = shape_.head_width, row = item / shape_.kv_heads, head = item % shape_.kv_heads;
  const float* keys = qkv_.as<float>() + size_t(row) * qkv_width_ + q_panels_ * PANEL;
  const float* values = keys + kv_panels_ * PANEL;
  float key[HeadCache<F>::MOST_WIDTH], value[HeadCache<F>::MOST_WIDTH];
  head_of(keys + head * d, layers_[number].k_norm, row_positions_[row], key);
  std::memcpy(value, values + head * d, d * sizeof(float));
  std::fill(value + d, value + cache_layout_.width, 0.0f);
  cache<F>(number, item).keep(row_positions_[row], key, value);
}

// Attention of the query heads that share a key head, over the slot's positions up to the row's.
template <Format F>
void Decoder::mix(int number, int item, int next, float* room) {
  const int d = shape_.head_width, queries_per_key = shape_.n_head / shape_.kv_heads;
  const int row = item / shape_.kv_heads, head = item % shape_.kv_heads;
  const float* queries = qkv_.as<float>() + size_t(row) * qkv_width_;
  float* to = mixed_.as<float>() + size_t(row) * round_up(shape_.n_head * d, INPUT_STEP);
  const HeadCache<F> seen = cache<F>(number, item), seen_next = cache<F>(number, next);
  for (int q = head * queries_per_key; q < (head + 1) * queries_per_key; q++) {
    float query[HeadCache<F>::MOST_WIDTH], mixed[HeadCache<F>::MOST_WIDTH];
    head_of(queries + q * d, layers_[number].q_norm, row_positions_[row], query);
    seen.attend(query, 1.0f / std::sqrt(float(d)), room, mixed, seen_next);
    std::memcpy(to + q * d, mixed, d * sizeof(float));
  }
}
