// The functions that Python calls. One translation unit, so that one command compiles everything.
#include "engine.cpp"
#include "sampling.h"
#include "weights.cpp"

extern "C" {

// Null if there is too little memory.
Engine* slm_engine_new(const Shape* shape) {
  try {
    return new Engine(*shape);
  } catch (const std::exception&) {
    return nullptr;
  }
}

void slm_engine_delete(Engine* engine) { delete engine; }

int slm_engine_load_tensor(Engine* engine, const char* name, const float* values, int64_t count) {
  return engine->load_tensor(name, values, count) ? 0 : 1;
}

// Returns 1 if there is too little memory.
int slm_engine_run(Engine* engine, int32_t n, const int32_t* slots, const int32_t* positions,
                   const int32_t* ids, int32_t n_logits, float* logits) {
  try {
    engine->run(n, slots, positions, ids, n_logits, logits);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

// Returns 1 if there is too little memory.
int slm_engine_surprisal(Engine* engine, int32_t n, const int32_t* slots, const int32_t* positions,
                         const int32_t* ids, int32_t n_scored, const int32_t* targets, float* nats) {
  try {
    engine->surprisal(n, slots, positions, ids, n_scored, targets, nats);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

void slm_engine_free(Engine* engine, int32_t slot) {
  try {
    engine->free_slot(slot);
  } catch (const std::exception&) {  // no memory for the list of free pages: the slot keeps them
  }
}

// ids[row] = sampled from logits[row][vocab_size] by filters[row] and uniforms[row], or NO_ID.
// Returns 1 if there is too little memory.
int slm_sample(const float* logits, int32_t n, int64_t stride, int32_t vocab_size,
               const Filters* filters, const double* uniforms, int64_t* ids) {
  try {
    Sampler sampler;
    for (int32_t row = 0; row < n; row++, logits += stride)
      ids[row] = sampler.sample(logits, vocab_size, filters[row], uniforms[row]);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}
}
