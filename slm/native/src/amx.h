// The matrix unit of newer server processors (AMX): multiplies 16 rows with 16 outputs at once.
//
// In int8 its sums are integers, so they equal those of the dot-product instructions bit for bit.
// In bfloat16 it adds in a different order, so it computes everything there, even a single row.
#pragma once

#include "vectors.h"

#if defined(__AMX_INT8__) && defined(__AMX_BF16__) && defined(__AVX512VNNI__) && defined(__linux__)
#define HAVE_AMX 1
#include <sys/syscall.h>
#include <unistd.h>
#endif

constexpr int TILE_ROWS = 16;
constexpr int TILE_BYTES = 64;  // of a row

#if defined(HAVE_AMX)

// Linux lets a process use tiles after it has requested them; true if it may.
inline bool enable_amx() {
  constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
  static const bool granted = syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
  return granted;
}

// GCC does not know which memory the tile instructions read and write.
inline void compiler_barrier() { asm volatile("" ::: "memory"); }

// Configures this thread's eight tiles as 16 rows of 64 bytes. The destructor restores the previous
// configuration, which PyTorch's own matrix multiplications may rely on.
class TileConfig {
 public:
  explicit TileConfig(bool enabled) : enabled_(enabled) {
    if (!enabled) return;
    _tile_storeconfig(previous_);
    compiler_barrier();
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int tile = 0; tile < 8; tile++) config.bytes[tile] = TILE_BYTES, config.rows[tile] = TILE_ROWS;
    compiler_barrier();
    _tile_loadconfig(&config);
  }
  ~TileConfig() {
    if (!enabled_) return;
    compiler_barrier();
    _tile_loadconfig(previous_);
  }
  TileConfig(const TileConfig&) = delete;
  TileConfig& operator=(const TileConfig&) = delete;

 private:
  const bool enabled_;
  alignas(64) uint8_t previous_[64];
};

// Multiplies TILE_ROWS rows of activations, `stride` bytes apart, with the 4 x 16 outputs of a panel,
// over `steps` times 64 bytes of each row. sums[v][row] belongs to the panel's v-th vector.
template <bool INT8, class Vector>
inline void multiply_tiles(const void* rows, size_t stride, const uint8_t* weights, int steps,
                      Vector (*sums)[TILE_ROWS]) {
  constexpr int GROUP_BYTES = 4 * TILE_BYTES;  // a group of inputs for all outputs of the panel
  const uint8_t* x = static_cast<const uint8_t*>(rows);
  compiler_barrier();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int step = 0; step < steps; step++, x += TILE_BYTES, weights += TILE_ROWS * GROUP_BYTES) {
    _tile_loadd(4, x, stride);
    _tile_loadd(5, weights, GROUP_BYTES);
    _tile_loadd(6, weights + TILE_BYTES, GROUP_BYTES);
    if constexpr (INT8) {
      _tile_dpbsud(0, 4, 5);
      _tile_dpbsud(1, 4, 6);
    } else {
      _tile_dpbf16ps(0, 4, 5);
      _tile_dpbf16ps(1, 4, 6);
    }
    _tile_loadd(5, weights + 2 * TILE_BYTES, GROUP_BYTES);
    _tile_loadd(6, weights + 3 * TILE_BYTES, GROUP_BYTES);
    if constexpr (INT8) {
      _tile_dpbsud(2, 4, 5);
      _tile_dpbsud(3, 4, 6);
    } else {
      _tile_dpbf16ps(2, 4, 5);
      _tile_dpbf16ps(3, 4, 6);
    }
  }
  _tile_stored(0, sums[0], TILE_BYTES);
  _tile_stored(1, sums[1], TILE_BYTES);
  _tile_stored(2, sums[2], TILE_BYTES);
  _tile_stored(3, sums[3], TILE_BYTES);
}

#else

inline bool enable_amx() { return false; }

struct TileConfig {
  explicit TileConfig(bool) {}
};

#endif
