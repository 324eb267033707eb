// What Python calls; all in one translation unit, so one command compiles it.
#include "decoder.cpp"
#include "sampling.h"
#include "weights.cpp"

extern "C" {

// Null where memory is short.
Decoder* slm_engine_new(const Shape* shape) {
  try {
    return new Decoder(*shape);
  } catch (const std::exception&) {
    return nullptr;
  }
}

void slm_engine_delete(Decoder* decoder) { delete decoder; }

int slm_engine_load_tensor(Decoder* decoder, const char* name, const float* values, int64_t count) {
  return decoder->take(name, values, count) ? 0 : 1;
}

// 1 where memory is short.
int slm_engine_run(Decoder* decoder, int32_t n, const int32_t* slots, const int32_t* positions,
                    const int32_t* ids, int32_t n_logits, float* logits) {
  try {
    decoder->run(n, slots, positions, ids, n_logits, logits);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

// 1 where memory is short.
int slm_engine_surprisal(Decoder* decoder, int32_t n, const int32_t* slots, const int32_t* positions,
                      const int32_t* ids, int32_t n_scored, const int32_t* targets, float* nats) {
  try {
    decoder->score(n, slots, positions, ids, n_scored, targets, nats);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

void slm_engine_free(Decoder* decoder, int32_t slot) {
  try {
    decoder->release(slot);
  } catch (const std::exception&) {  // no memory to note the free ones: the slot keeps them
  }
}

// ids[row] = a draw from logits[row][vocab_size] by filters[row] and uniforms[row], or NO_ID.
// 1 where memory is short.
int slm_sample(const float* logits, int32_t n, int64_t stride, int32_t vocab_size,
               const Filters* filters, const double* uniforms, int64_t* ids) {
  try {
    Drawing drawing;
    for (int32_t row = 0; row < n; row++, logits += stride)
      ids[row] = drawing.draw(logits, vocab_size, filters[row], uniforms[row]);
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}
}
