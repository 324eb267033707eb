// The engine's memory, and loading of a model's weights.
#include "engine.h"

#include <cstdio>

namespace {

int panels_for(int outputs) { return (outputs + PANEL - 1) / PANEL; }

void allocate_floats(AlignedBuffer& buffer, size_t count) { buffer.allocate(count * sizeof(float)); }

bool copy_tensor(AlignedBuffer& buffer, int64_t expected, const float* values, int64_t count) {
  if (count != expected) return false;
  std::memcpy(buffer.as<float>(), values, size_t(count) * sizeof(float));
  return true;
}

}  // namespace

Engine::Engine(const Shape& shape)
    : shape_(shape),
      dtype_(Dtype(shape.dtype)),
      q_panels_(panels_for(shape.n_head * shape.head_width)),
      kv_panels_(panels_for(shape.kv_heads * shape.head_width)),
      mlp_panels_(panels_for(shape.mlp_width)),
      width_(panels_for(shape.n_embd) * PANEL),
      qkv_width_((q_panels_ + 2 * kv_panels_) * PANEL),
      layers_(shape.n_layer),
      kv_pages_(shape.slots),
      use_amx_(dtype_ != Dtype::float32 && enable_amx()),
      scratch_(shape.threads),
      threads_(shape.threads) {
  const int c_panels = width_ / PANEL, q_width = shape.n_head * shape.head_width;
  const auto allocate_norm = [&](Norm& norm) {
    allocate_floats(norm.weight, width_);
    allocate_floats(norm.bias, width_);
  };
  kv_layout_.set(dtype_, shape.n_layer * shape.kv_heads, shape.head_width);
  for (Layer& layer : layers_) {
    allocate_norm(layer.attention_norm);
    allocate_norm(layer.mlp_norm);
    allocate_floats(layer.q_norm, kv_layout_.width);
    allocate_floats(layer.k_norm, kv_layout_.width);
    layer.qkv.allocate(dtype_, shape.n_embd, q_panels_ + 2 * kv_panels_, memory_);
    layer.out.allocate(dtype_, q_width, c_panels, memory_);
    layer.up.allocate(dtype_, shape.n_embd, mlp_panels_ * (shape.gated ? 2 : 1), memory_);
    layer.down.allocate(dtype_, shape.mlp_width, c_panels, memory_);
  }
  allocate_norm(final_norm_);
  embedding_.allocate(dtype_, shape.n_embd, panels_for(shape.vocab_size), memory_);
  if (!shape.tied) head_.allocate(dtype_, shape.n_embd, panels_for(shape.vocab_size), memory_);
  if (shape.rotary) {
    allocate_floats(cos_, size_t(shape.block_size) * shape.head_width / 2);
    allocate_floats(sin_, size_t(shape.block_size) * shape.head_width / 2);
  } else {
    allocate_floats(positions_, size_t(shape.block_size) * shape.n_embd);
  }
  // Rows are as wide as whole panels, and at least as wide as a multiplication's padded inputs.
  allocate_floats(residual_, size_t(MAX_ROWS) * width_);
  allocate_floats(qkv_, size_t(MAX_ROWS) * qkv_width_);
  allocate_floats(heads_out_, size_t(MAX_ROWS) * round_up(q_width, INPUT_STEP));
  allocate_floats(hidden_, size_t(MAX_ROWS) * mlp_panels_ * PANEL);
  const int widest = std::max({width_, q_width, shape.mlp_width});
  for (Scratch& scratch : scratch_) {
    scratch.activations.allocate(dtype_, MAX_ROWS, widest);
    allocate_floats(scratch.row, round_up(widest, INPUT_STEP));
    allocate_floats(scratch.attention, HeadCache<Dtype::float32>::scratch_floats(shape.block_size));
  }
}

bool Engine::load_norm(Norm& norm, const std::string& part, const float* values,
                        int64_t count) const {
  if (part == "weight") return copy_tensor(norm.weight, shape_.n_embd, values, count);
  return part == "bias" && copy_tensor(norm.bias, shape_.n_embd, values, count);
}

bool Engine::load_tensor(const std::string& name, const float* values, int64_t count) {
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
    return copy_tensor(positions_, int64_t(shape_.block_size) * c, values, count);
  if (name == "cos") return copy_tensor(cos_, angles, values, count);
  if (name == "sin") return copy_tensor(sin_, angles, values, count);
  if (name.rfind("final_norm.", 0) == 0) return load_norm(final_norm_, part, values, count);

  int number = -1, length = 0;
  if (std::sscanf(name.c_str(), "blocks.%d.%n", &number, &length) != 1 || length == 0) return false;
  if (number < 0 || number >= shape_.n_layer || dot <= size_t(length)) return false;
  Layer& layer = layers_[number];
  const std::string module = name.substr(length, dot - length);
  const int step = shape_.gated ? 2 : 1;
  if (module == "attention_norm") return load_norm(layer.attention_norm, part, values, count);
  if (module == "mlp_norm") return load_norm(layer.mlp_norm, part, values, count);
  if (module == "attention.q_norm") return copy_tensor(layer.q_norm, shape_.head_width, values, count);
  if (module == "attention.k_norm") return copy_tensor(layer.k_norm, shape_.head_width, values, count);
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
