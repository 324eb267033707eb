#include "decoder.h"

#include <cstdio>

namespace {

int panels_for(int outputs) { return (outputs + PANEL - 1) / PANEL; }

// The share of n things that a thread takes: [first, last).
struct Share {
  int first, last;
  Share(int n, int thread, int of)
      : first(int(int64_t(n) * thread / of)), last(int(int64_t(n) * (thread + 1) / of)) {}
};

void resize_floats(Block& block, size_t count) { block.resize(count * sizeof(float)); }

bool copy_to(Block& block, int64_t expected, const float* values, int64_t count) {
  if (count != expected) return false;
  std::memcpy(block.as<float>(), values, size_t(count) * sizeof(float));
  return true;
}

}  // namespace

Decoder::Decoder(const Shape& shape)
    : shape_(shape),
      format_(Format(shape.format)),
      q_panels_(panels_for(shape.n_head * shape.head_width)),
      kv_panels_(panels_for(shape.kv_heads * shape.head_width)),
      mlp_panels_(panels_for(shape.mlp_width)),
      width_(panels_for(shape.n_embd) * PANEL),
      qkv_width_((q_panels_ + 2 * kv_panels_) * PANEL),
      layers_(shape.n_layer),
      slots_(shape.slots),
      scratch_(shape.threads),
      team_(shape.threads) {
  const int c_panels = width_ / PANEL, q_width = shape.n_head * shape.head_width;
  const auto resize_norm = [&](Norm& norm) {
    resize_floats(norm.weight, width_);
    resize_floats(norm.bias, width_);
  };
  cache_layout_.resize(format_, shape.block_size, shape.head_width);
  for (Layer& layer : layers_) {
    resize_norm(layer.attention_norm);
    resize_norm(layer.mlp_norm);
    resize_floats(layer.q_norm, cache_layout_.width);
    resize_floats(layer.k_norm, cache_layout_.width);
    layer.qkv.resize(format_, shape.n_embd, q_panels_ + 2 * kv_panels_);
    layer.out.resize(format_, q_width, c_panels);
    layer.up.resize(format_, shape.n_embd, mlp_panels_ * (shape.gated ? 2 : 1));
    layer.down.resize(format_, shape.mlp_width, c_panels);
  }
  resize_norm(final_norm_);
  embedding_.resize(format_, shape.n_embd, panels_for(shape.vocab_size));
  if (!shape.tied) head_.resize(format_, shape.n_embd, panels_for(shape.vocab_size));
  if (shape.rotary) {
    resize_floats(cos_, size_t(shape.block_size) * shape.head_width / 2);
    resize_floats(sin_, size_t(shape.block_size) * shape.head_width / 2);
  } else {
    resize_floats(positions_, size_t(shape.block_size) * shape.n_embd);
  }
  // Rows are as wide as whole panels, and at least as wide as a product's padded inputs.
  resize_floats(residual_, size_t(MOST_ROWS) * width_);
  resize_floats(qkv_, size_t(MOST_ROWS) * qkv_width_);
  resize_floats(mixed_, size_t(MOST_ROWS) * round_up(q_width, INPUT_STEP));
  resize_floats(hidden_, size_t(MOST_ROWS) * mlp_panels_ * PANEL);
  const int widest = std::max({width_, q_width, shape.mlp_width});
  for (Scratch& scratch : scratch_) {
    scratch.activations.resize(format_, MOST_ROWS, widest);
    resize_floats(scratch.row, round_up(widest, INPUT_STEP));
    resize_floats(scratch.scores, round_up(shape.block_size, LANES));
  }
}

bool Decoder::take_norm(Norm& norm, const std::string& part, const float* values,
                        int64_t count) const {
  if (part == "weight") return copy_to(norm.weight, shape_.n_embd, values, count);
  return part == "bias" && copy_to(norm.bias, shape_.n_embd, values, count);
}

bool Decoder::take(const std::string& name, const float* values, int64_t count) {
  const int c = shape_.n_embd, q_width = shape_.n_head * shape_.head_width;
  const int kv_width = shape_.kv_heads * shape_.head_width;
  const int64_t angles = int64_t(shape_.block_size) * shape_.head_width / 2;
  // Weights [rows, inputs] or biases [rows].
  const auto matrix = [&](Matrix& to, const std::string& part, int rows, int inputs, int first,
                          int step) {
    if (part == "weight" && count == int64_t(rows) * inputs) {
      to.pack(values, rows, inputs, first, step);
      return true;
    }
    if (part != "bias" || count != rows) return false;
    to.set_biases(values, rows, first, step);
    return true;
  };
  const size_t dot = name.rfind('.');
  const std::string part = dot == std::string::npos ? "" : name.substr(dot + 1);
  if (name == "token_embedding.weight") return matrix(embedding_, part, shape_.vocab_size, c, 0, 1);
  if (name == "lm_head.weight") return matrix(head_, part, shape_.vocab_size, c, 0, 1);
  if (name == "position_embedding.weight")
    return copy_to(positions_, int64_t(shape_.block_size) * c, values, count);
  if (name == "cos") return copy_to(cos_, angles, values, count);
  if (name == "sin") return copy_to(sin_, angles, values, count);
  if (name.rfind("final_norm.", 0) == 0) return take_norm(final_norm_, part, values, count);

  int number = -1, length = 0;
  if (std::sscanf(name.c_str(), "blocks.%d.%n", &number, &length) != 1 || length == 0) return false;
  if (number < 0 || number >= shape_.n_layer || dot <= size_t(length)) return false;
  Layer& layer = layers_[number];
  const std::string module = name.substr(length, dot - length);
  const int step = shape_.gated ? 2 : 1;
  if (module == "attention_norm") return take_norm(layer.attention_norm, part, values, count);
  if (module == "mlp_norm") return take_norm(layer.mlp_norm, part, values, count);
  if (module == "attention.q_norm") return copy_to(layer.q_norm, shape_.head_width, values, count);
  if (module == "attention.k_norm") return copy_to(layer.k_norm, shape_.head_width, values, count);
  if (module == "attention.q_proj") return matrix(layer.qkv, part, q_width, c, 0, 1);
  if (module == "attention.k_proj") return matrix(layer.qkv, part, kv_width, c, q_panels_, 1);
  if (module == "attention.v_proj")
    return matrix(layer.qkv, part, kv_width, c, q_panels_ + kv_panels_, 1);
  if (module == "attention.o_proj") return matrix(layer.out, part, c, q_width, 0, 1);
  if (module == "mlp.gate_proj") return matrix(layer.up, part, shape_.mlp_width, c, 0, 2);
  if (module == "mlp.up_proj") return matrix(layer.up, part, shape_.mlp_width, c, step - 1, step);
  if (module == "mlp.down_proj") return matrix(layer.down, part, c, shape_.mlp_width, 0, 1);
  return false;
}

void Decoder::run(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                  int n_logits, float* logits) {
  std::lock_guard<std::mutex> guard(running_);
  for (int row = 0; row < n; row++)
    if (slots_[slots[row]].empty())
      slots_[slots[row]].resize(size_t(shape_.n_layer) * shape_.kv_heads * cache_layout_.bytes);
  for (int first = 0; first < n; first += MOST_ROWS) {
    const int some = std::min(MOST_ROWS, n - first);
    const int n_without = std::max(0, n - n_logits - first);  // rows of these that need no logits
    const int wanted = std::max(0, some - n_without);
    run_some(some, slots + first, positions + first, ids + first, wanted, logits);
    logits += size_t(wanted) * shape_.vocab_size;
  }
}

void Decoder::run_some(int n, const int32_t* slots, const int32_t* positions, const int32_t* ids,
                       int n_logits, float* logits) {
  n_ = n;
  row_slots_ = slots, row_positions_ = positions, row_ids_ = ids;
  n_logits_ = n_logits, logits_ = logits;
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

template <Format F>
HeadCache<F> Decoder::cache(int number, int row, int head) const {
  const size_t index = size_t(number) * shape_.kv_heads + head;
  return {cache_layout_, slots_[row_slots_[row]].as<uint8_t>() + index * cache_layout_.bytes};
}

template <Format F>
void Decoder::attend(int number, int thread, int of) {
  float* scores = scratch_[thread].scores.as<float>();
  const int heads = shape_.kv_heads;
  const Share share(n_ * heads, thread, of);
  for (int item = share.first; item < share.last; item++) {
    keep<F>(number, item / heads, item % heads);
    if (slots_differ_) mix<F>(number, item / heads, item % heads, scores);
  }
  if (slots_differ_) return;
  team_.meet(of);  // a row sees the keys of the rows before it
  for (int item = share.first; item < share.last; item++)
    mix<F>(number, item / heads, item % heads, scores);
}

// Store a row's key and value.
template <Format F>
void Decoder::keep(int number, int row, int head) {
  const int d = shape_.head_width;
  const float* keys = qkv_.as<float>() + size_t(row) * qkv_width_ + q_panels_ * PANEL;
  const float* values = keys + kv_panels_ * PANEL;
  float key[HeadCache<F>::MOST_WIDTH], value[HeadCache<F>::MOST_WIDTH];
  head_of(keys + head * d, layers_[number].k_norm, row_positions_[row], key);
  std::memcpy(value, values + head * d, d * sizeof(float));
  std::fill(value + d, value + cache_layout_.width, 0.0f);
  cache<F>(number, row, head).keep(row_positions_[row], key, value);
}

// Attention of the query heads that share a key head, over the slot's positions up to the row's.
template <Format F>
void Decoder::mix(int number, int row, int head, float* scores) {
  const int d = shape_.head_width, queries_per_key = shape_.n_head / shape_.kv_heads;
  const float* queries = qkv_.as<float>() + size_t(row) * qkv_width_;
  float* to = mixed_.as<float>() + size_t(row) * round_up(shape_.n_head * d, INPUT_STEP);
  const HeadCache<F> seen = cache<F>(number, row, head);
  for (int q = head * queries_per_key; q < (head + 1) * queries_per_key; q++) {
    float query[HeadCache<F>::MOST_WIDTH], mixed[HeadCache<F>::MOST_WIDTH];
    head_of(queries + q * d, layers_[number].q_norm, row_positions_[row], query);
    seen.attend(query, 1.0f / std::sqrt(float(d)), row_positions_[row] + 1, scores, mixed);
    std::memcpy(to + q * d, mixed, d * sizeof(float));
  }
}
