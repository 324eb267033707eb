// Vectors of numbers as wide as this processor's registers, and the few functions on them.
//
// Written with the vector extensions that GCC and Clang share, so that the same lines become
// AVX-512, AVX2, NEON or SSE instructions. Nothing here depends on the order of threads or rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int LANES = 16;
constexpr int ROWS_AT_ONCE = 6;  // 6 x 4 sums, 4 weights and a value fill the 32 registers
#elif defined(__AVX2__)
#include <immintrin.h>
constexpr int LANES = 8;
constexpr int ROWS_AT_ONCE = 3;  // 16 registers
#elif defined(__aarch64__)
constexpr int LANES = 4;
constexpr int ROWS_AT_ONCE = 6;  // 32 registers
#else
constexpr int LANES = 4;
constexpr int ROWS_AT_ONCE = 3;
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Words __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));
typedef int8_t Bytes __attribute__((vector_size(LANES)));

template <class Vector, class Item>
inline Vector load(const Item* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof(Vector));
  return vector;
}

template <class Vector, class Item>
inline void store(Item* to, Vector vector) {
  std::memcpy(to, &vector, sizeof(Vector));
}

template <class To, class From>
inline To bits_of(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

inline Floats all(float value) { return Floats{} + value; }
inline Ints all(int32_t value) { return Ints{} + value; }
inline Floats floats_of(Ints numbers) { return __builtin_convertvector(numbers, Floats); }
inline Floats choose(Ints mask, Floats yes, Floats no) {
  return bits_of<Floats>((mask & bits_of<Ints>(yes)) | (~mask & bits_of<Ints>(no)));
}
inline Floats larger(Floats a, Floats b) { return choose(a > b, a, b); }
inline Floats absolute(Floats x) { return bits_of<Floats>(bits_of<Ints>(x) & 0x7fffffff); }

inline float sum_of(Floats x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(reinterpret_cast<__m512>(x));
#else
  float lanes[LANES], sum = 0;
  store(lanes, x);
  for (int step = LANES / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) lanes[i] += lanes[i + step];
  sum = lanes[0];
  return sum;
#endif
}

inline float largest_of(Floats x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(reinterpret_cast<__m512>(x));
#else
  float lanes[LANES];
  store(lanes, x);
  float best = lanes[0];
  for (int i = 1; i < LANES; i++) best = lanes[i] > best ? lanes[i] : best;
  return best;
#endif
}

// What `count` numbers, a multiple of LANES, are divided by to be whole numbers from -127 to 127. NaN
// where one of them is not finite: 0 times it is NaN, and maxima would pass over that.
inline float scale_of(const float* x, int count) {
  Floats extreme{}, zero{};
  for (int i = 0; i < count; i += LANES) {
    const Floats some = load<Floats>(x + i);
    extreme = larger(absolute(some), extreme);
    zero += some * 0.0f;
  }
  return largest_of(extreme) / 127.0f + sum_of(zero);
}

// Rounded to the nearest whole number, halves to the even one; for |x| below 2^22.
inline Ints nearest(Floats x) {
  const float shift = 12582912.0f;  // 1.5 * 2^23: the sum's last bit is worth one
  return bits_of<Ints>(x + shift) - bits_of<Ints>(all(shift));
}

// e^x within two units of the last place: Cephes' polynomial (Moshier, expf) on [-ln2/2, ln2/2].
inline Floats exponential(Floats x) {
  x = choose(x < -87.0f, all(-87.0f), choose(x > 88.0f, all(88.0f), x));
  const Ints power = nearest(x * 1.44269504088896341f);
  const Floats whole = floats_of(power);
  x = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  Floats y = all(1.9875691500e-4f);
  y = y * x + 1.3981999507e-3f;
  y = y * x + 8.3334519073e-3f;
  y = y * x + 4.1665795894e-2f;
  y = y * x + 1.6666665459e-1f;
  y = y * x + 5.0000001201e-1f;
  y = y * x * x + x + 1.0f;
  return y * bits_of<Floats>((power + 127) << 23);
}

// The same four bytes in each lane.
inline Ints four_bytes(const void* from) { return all(load<int32_t>(static_cast<const char*>(from))); }

// Products of whole numbers, as `add_dot_products` adds them: in each lane four unsigned bytes times
// four signed ones. A factor is prepared once and used many times.
#if defined(__AVX2__) && !defined(__AVX512F__) && !defined(__AVXVNNI__)
constexpr bool DOT_INT8 = true;
constexpr int VECTORS_AT_ONCE = 2;  // of sums, as many as the registers take

// Without a dot-product instruction numbers of 16 bits are multiplied, in pairs: the first and
// third of four bytes, then the second and fourth.
struct Factor {
  __m256i even, odd;
};
typedef int16_t Small;  // how activations are stored, in that order
typedef int16_t Shorts __attribute__((vector_size(2 * LANES)));

inline Factor unsigned_factor(Ints four) {
  const __m256i bytes = bits_of<__m256i>(four);
  return {_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(bytes, 8)};
}
inline Factor signed_factor(Ints four) {
  const __m256i bytes = bits_of<__m256i>(four);
  return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
}
inline Factor signed_factor(const Small* four) {
  return {bits_of<__m256i>(four_bytes(four)), bits_of<__m256i>(four_bytes(four + 2))};
}
inline void store_small(Small* to, Ints whole) {
  const __m256i ordered = _mm256_shuffle_epi32(bits_of<__m256i>(whole), _MM_SHUFFLE(3, 1, 2, 0));
  store(to, __builtin_convertvector(bits_of<Ints>(ordered), Shorts));
}
inline __attribute__((always_inline)) Ints add_dot_products(Ints sums, Factor u, Factor s) {
  sums += bits_of<Ints>(_mm256_madd_epi16(u.even, s.even));
  return sums + bits_of<Ints>(_mm256_madd_epi16(u.odd, s.odd));
}
#else
constexpr int VECTORS_AT_ONCE = 4;

typedef Ints Factor;
typedef int8_t Small;

inline Factor unsigned_factor(Ints four) { return four; }
inline Factor signed_factor(Ints four) { return four; }
inline Factor signed_factor(const Small* four) { return four_bytes(four); }
inline void store_small(Small* to, Ints whole) { store(to, __builtin_convertvector(whole, Bytes)); }

#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__))
constexpr bool DOT_INT8 = true;

// The instruction itself: around its intrinsic GCC 12 moves every sum to another register and back.
inline __attribute__((always_inline)) Ints add_dot_products(Ints sums, Factor u, Factor s) {
#if defined(__AVX512VNNI__)
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u), "v"(s));
#else
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(u), "x"(s));
#endif
  return sums;
}
#else
constexpr bool DOT_INT8 = false;

inline Ints add_dot_products(Ints sums, Factor, Factor) { return sums; }  // is not called
#endif
#endif

// bfloat16 is the upper half of a float32; rounded to the nearest, halves to the even one.
inline Halves to_bfloat16(Floats x) {
  const Words word = bits_of<Words>(x);
  return __builtin_convertvector((word + 0x7fffu + ((word >> 16) & 1u)) >> 16, Halves);
}

inline uint16_t to_bfloat16(float x) {
  const uint32_t word = bits_of<uint32_t>(x);
  return static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
}

inline float from_bfloat16(uint16_t half) {
  return bits_of<float>(static_cast<uint32_t>(half) << 16);
}

inline Floats silu(Floats x) { return x / (1.0f + exponential(-x)); }

// In its tanh form: 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
inline Floats gelu(Floats x) {
  const Floats u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
  return x / (1.0f + exponential(-2.0f * u));
}

constexpr int round_up(int number, int step) { return (number + step - 1) / step * step; }
