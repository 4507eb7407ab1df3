/* Byte swaps of arrays, 2, 4 and 8 bytes an element; 16 or 32 bytes at a time where the processor can.
   Source and target are the same place or do not overlap, and need no alignment. */
#ifndef CAPROTO_SWAP_H
#define CAPROTO_SWAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#include <stdlib.h>
#define caproto_swap16 _byteswap_ushort
#define caproto_swap32 _byteswap_ulong
#define caproto_swap64 _byteswap_uint64
#else
#define caproto_swap16 __builtin_bswap16
#define caproto_swap32 __builtin_bswap32
#define caproto_swap64 __builtin_bswap64
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define CAPROTO_WIRE_ORDER 1
#else
#define CAPROTO_WIRE_ORDER 0
#endif

static inline uint16_t caproto_be16(const unsigned char *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline uint32_t caproto_be32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void caproto_put16(unsigned char *p, uint32_t v) {
    p[0] = (unsigned char)(v >> 8);
    p[1] = (unsigned char)v;
}

static inline void caproto_put32(unsigned char *p, uint32_t v) {
    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

static inline void caproto_put64(unsigned char *p, uint64_t v) {
    caproto_put32(p, (uint32_t)(v >> 32));
    caproto_put32(p + 4, (uint32_t)v);
}

/* One element after the other. */
static inline void caproto_swap_each(unsigned char *out, const unsigned char *in, size_t n, size_t size) {
    size_t i;
    if (size == 8) {
        for (i = 0; i < n; i += 8) {
            uint64_t v;
            memcpy(&v, in + i, 8);
            v = caproto_swap64(v);
            memcpy(out + i, &v, 8);
        }
    } else if (size == 4) {
        for (i = 0; i < n; i += 4) {
            uint32_t v;
            memcpy(&v, in + i, 4);
            v = caproto_swap32(v);
            memcpy(out + i, &v, 4);
        }
    } else {
        for (i = 0; i < n; i += 2) {
            uint16_t v;
            memcpy(&v, in + i, 2);
            v = caproto_swap16(v);
            memcpy(out + i, &v, 2);
        }
    }
}

#if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
#include <immintrin.h>
#define CAPROTO_VECTORS 1

/* For each item size, where the bytes of 16 come from. */
static const unsigned char caproto_orders[3][16] = {
    {1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14},
    {3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12},
    {7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8},
};

static inline __m128i caproto_order(size_t size) {
    return _mm_loadu_si128((const __m128i *)caproto_orders[size == 2 ? 0 : size == 4 ? 1 : 2]);
}

__attribute__((target("avx2"))) static size_t caproto_swap_avx2(unsigned char *out, const unsigned char *in, size_t n,
                                                                size_t size) {
    const __m256i order = _mm256_broadcastsi128_si256(caproto_order(size));
    size_t i = 0;
    for (; i + 128 <= n; i += 128) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(in + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(in + i + 32));
        __m256i c = _mm256_loadu_si256((const __m256i *)(in + i + 64));
        __m256i d = _mm256_loadu_si256((const __m256i *)(in + i + 96));
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_shuffle_epi8(a, order));
        _mm256_storeu_si256((__m256i *)(out + i + 32), _mm256_shuffle_epi8(b, order));
        _mm256_storeu_si256((__m256i *)(out + i + 64), _mm256_shuffle_epi8(c, order));
        _mm256_storeu_si256((__m256i *)(out + i + 96), _mm256_shuffle_epi8(d, order));
    }
    return i;
}

__attribute__((target("avx512f,avx512bw"))) static size_t caproto_swap_avx512(unsigned char *out,
                                                                              const unsigned char *in, size_t n,
                                                                              size_t size) {
    const __m512i order = _mm512_broadcast_i32x4(caproto_order(size));
    size_t i = 0;
    for (; i + 256 <= n; i += 256) {
        __m512i a = _mm512_loadu_si512((const void *)(in + i));
        __m512i b = _mm512_loadu_si512((const void *)(in + i + 64));
        __m512i c = _mm512_loadu_si512((const void *)(in + i + 128));
        __m512i d = _mm512_loadu_si512((const void *)(in + i + 192));
        _mm512_storeu_si512((void *)(out + i), _mm512_shuffle_epi8(a, order));
        _mm512_storeu_si512((void *)(out + i + 64), _mm512_shuffle_epi8(b, order));
        _mm512_storeu_si512((void *)(out + i + 128), _mm512_shuffle_epi8(c, order));
        _mm512_storeu_si512((void *)(out + i + 192), _mm512_shuffle_epi8(d, order));
    }
    return i;
}

/* How many bytes were swapped, from the start. */
static size_t caproto_swap_vectors(unsigned char *out, const unsigned char *in, size_t n, size_t size) {
    /* Whole cache lines from here on, if the elements are aligned at all: a store across two costs double. */
    size_t head = (size_t)(-(uintptr_t)out & 63);
    if (n < 512 || head % size)
        head = 0;
    caproto_swap_each(out, in, head, size);
    if (__builtin_cpu_supports("avx512bw"))
        return head + caproto_swap_avx512(out + head, in + head, n - head, size);
    if (__builtin_cpu_supports("avx2"))
        return head + caproto_swap_avx2(out + head, in + head, n - head, size);
    return head;
}
#endif

/* Swap n bytes of elements of `size` bytes; n is a multiple of size. */
static void caproto_swap(unsigned char *out, const unsigned char *in, size_t n, size_t size) {
    size_t done = 0;
    if (CAPROTO_WIRE_ORDER || size == 1) {
        if (out != in)
            memcpy(out, in, n);
        return;
    }
#ifdef CAPROTO_VECTORS
    if (n >= 128)
        done = caproto_swap_vectors(out, in, n, size);
#endif
    caproto_swap_each(out + done, in + done, n - done, size);
}

/* Swap `length` bytes of each of n rows, `stride` bytes apart, to places one behind the other. */
static inline void caproto_swap_rows(unsigned char *out, const unsigned char *in, size_t n, size_t stride,
                                     size_t length, size_t size) {
    size_t i;
    if (stride == length) {
        caproto_swap(out, in, n * length, size);
    } else if (length == 8 && size == 8) {
        for (i = 0; i < n; i++) {
            uint64_t v;
            memcpy(&v, in + i * stride, 8);
            v = CAPROTO_WIRE_ORDER ? v : caproto_swap64(v);
            memcpy(out + i * 8, &v, 8);
        }
    } else {
        for (i = 0; i < n; i++)
            caproto_swap(out + i * length, in + i * stride, length, size);
    }
}

#endif
