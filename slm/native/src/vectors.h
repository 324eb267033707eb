// Vectors as wide as this processor's registers, and functions on them.
//
// Written with the vector extensions of GCC and Clang, so that the same lines become AVX-512, AVX2,
// NEON or SSE instructions.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int LANES = 16;
constexpr int ROW_BLOCK = 6;  // 6 x 4 sums, 4 weights and a value fill the 32 registers
#elif defined(__AVX2__)
#include <immintrin.h>
constexpr int LANES = 8;
constexpr int ROW_BLOCK = 3;  // 16 registers
#elif defined(__aarch64__)
constexpr int LANES = 4;
constexpr int ROW_BLOCK = 6;  // 32 registers
#else
constexpr int LANES = 4;
constexpr int ROW_BLOCK = 3;
#endif

typedef float f32v __attribute__((vector_size(4 * LANES)));
typedef int32_t i32v __attribute__((vector_size(4 * LANES)));
typedef uint32_t u32v __attribute__((vector_size(4 * LANES)));
typedef uint16_t u16v __attribute__((vector_size(2 * LANES)));
typedef int8_t i8v __attribute__((vector_size(LANES)));

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
inline To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

inline f32v broadcast(float value) { return f32v{} + value; }
inline i32v broadcast(int32_t value) { return i32v{} + value; }
inline f32v to_float(i32v numbers) { return __builtin_convertvector(numbers, f32v); }
inline f32v select(i32v mask, f32v yes, f32v no) {
  return bit_cast<f32v>((mask & bit_cast<i32v>(yes)) | (~mask & bit_cast<i32v>(no)));
}
inline f32v maximum(f32v a, f32v b) { return select(a > b, a, b); }
inline f32v absolute(f32v x) { return bit_cast<f32v>(bit_cast<i32v>(x) & 0x7fffffff); }

inline float reduce_add(f32v x) {
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

inline float reduce_max(f32v x) {
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

// The scale of `count` numbers (a multiple of LANES): divided by it, they are integers from -127 to
// 127. NaN if one of them is not finite: then 0 times it is NaN, which a maximum alone would ignore.
inline float quantization_scale(const float* x, int count) {
  f32v extreme{}, zero{};
  for (int i = 0; i < count; i += LANES) {
    const f32v some = load<f32v>(x + i);
    extreme = maximum(absolute(some), extreme);
    zero += some * 0.0f;
  }
  return reduce_max(extreme) / 127.0f + reduce_add(zero);
}

// Rounds to the nearest integer, halves to even; for |x| below 2^22.
inline i32v round_to_nearest(f32v x) {
  const float shift = 12582912.0f;  // 1.5 * 2^23: the sum's last bit is worth one
  return bit_cast<i32v>(x + shift) - bit_cast<i32v>(broadcast(shift));
}

// e^x within two units in the last place: Cephes' polynomial (Moshier, expf) on [-ln2/2, ln2/2].
inline f32v vector_exp(f32v x) {
  x = select(x < -87.0f, broadcast(-87.0f), select(x > 88.0f, broadcast(88.0f), x));
  const i32v power = round_to_nearest(x * 1.44269504088896341f);
  const f32v whole = to_float(power);
  x = x - whole * 0.693359375f + whole * 2.12194440e-4f;
  f32v y = broadcast(1.9875691500e-4f);
  y = y * x + 1.3981999507e-3f;
  y = y * x + 8.3334519073e-3f;
  y = y * x + 4.1665795894e-2f;
  y = y * x + 1.6666665459e-1f;
  y = y * x + 5.0000001201e-1f;
  y = y * x * x + x + 1.0f;
  return y * bit_cast<f32v>((power + 127) << 23);
}

// The same four bytes in every lane.
inline i32v broadcast_bytes(const void* from) {
  return broadcast(load<int32_t>(static_cast<const char*>(from)));
}

// `dot_accumulate` adds to each lane the dot product of four unsigned bytes with four signed ones.
// An operand is prepared once and used many times.
#if defined(__AVX2__) && !defined(__AVX512F__) && !defined(__AVXVNNI__)
constexpr bool DOT_INT8 = true;
constexpr int VECTOR_BLOCK = 2;  // vectors of sums that fit into the registers

// Without a dot-product instruction, bytes are widened to 16 bits and multiplied in pairs: the first
// and third of four bytes, then the second and fourth.
struct DotOperand {
  __m256i even, odd;
};
typedef int16_t ActivationInt;  // activations are stored in that order
typedef int16_t i16v __attribute__((vector_size(2 * LANES)));

inline DotOperand unsigned_operand(i32v four) {
  const __m256i bytes = bit_cast<__m256i>(four);
  return {_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(bytes, 8)};
}
inline DotOperand signed_operand(i32v four) {
  const __m256i bytes = bit_cast<__m256i>(four);
  return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
}
inline DotOperand signed_operand(const ActivationInt* four) {
  return {bit_cast<__m256i>(broadcast_bytes(four)), bit_cast<__m256i>(broadcast_bytes(four + 2))};
}
inline void store_activations(ActivationInt* to, i32v integers) {
  const __m256i ordered = _mm256_shuffle_epi32(bit_cast<__m256i>(integers), _MM_SHUFFLE(3, 1, 2, 0));
  store(to, __builtin_convertvector(bit_cast<i32v>(ordered), i16v));
}
inline __attribute__((always_inline)) i32v dot_accumulate(i32v sums, DotOperand u, DotOperand s) {
  sums += bit_cast<i32v>(_mm256_madd_epi16(u.even, s.even));
  return sums + bit_cast<i32v>(_mm256_madd_epi16(u.odd, s.odd));
}
#else
constexpr int VECTOR_BLOCK = 4;

typedef i32v DotOperand;
typedef int8_t ActivationInt;

inline DotOperand unsigned_operand(i32v four) { return four; }
inline DotOperand signed_operand(i32v four) { return four; }
inline DotOperand signed_operand(const ActivationInt* four) { return broadcast_bytes(four); }
inline void store_activations(ActivationInt* to, i32v integers) {
  store(to, __builtin_convertvector(integers, i8v));
}

#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__))
constexpr bool DOT_INT8 = true;

// Inline assembly: with the intrinsic, GCC 12 copies every sum to another register and back.
inline __attribute__((always_inline)) i32v dot_accumulate(i32v sums, DotOperand u, DotOperand s) {
#if defined(__AVX512VNNI__)
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u), "v"(s));
#else
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(u), "x"(s));
#endif
  return sums;
}
#else
constexpr bool DOT_INT8 = false;

inline i32v dot_accumulate(i32v sums, DotOperand, DotOperand) { return sums; }  // never called
#endif
#endif

// bfloat16 is the upper half of a float32; rounded to nearest, ties to even.
inline u16v to_bfloat16(f32v x) {
  const u32v word = bit_cast<u32v>(x);
  return __builtin_convertvector((word + 0x7fffu + ((word >> 16) & 1u)) >> 16, u16v);
}

inline uint16_t to_bfloat16(float x) {
  const uint32_t word = bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
}

inline float from_bfloat16(uint16_t half) {
  return bit_cast<float>(static_cast<uint32_t>(half) << 16);
}

inline f32v silu(f32v x) { return x / (1.0f + vector_exp(-x)); }

// The tanh approximation: 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)).
inline f32v gelu(f32v x) {
  const f32v u = 0.7978845608028654f * (x + 0.044715f * x * x * x);
  return x / (1.0f + vector_exp(-2.0f * u));
}

constexpr int round_up(int number, int step) { return (number + step - 1) / step * step; }
