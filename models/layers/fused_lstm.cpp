// One frame of an LSTM for many sequences at once, between two matrix products that torch makes.
//
// Gates and what is kept of them are bfloat16, memories float32. A row has four parts of `units` numbers: input, forget
// and output gate and the candidate, in torch's order i, f, g, o. The loops are what compilers turn into vectors.

#include <cstdint>

namespace {

using bfloat16 = uint16_t;

inline float wide(bfloat16 x) {
    return __builtin_bit_cast(float, static_cast<uint32_t>(x) << 16);
}

inline bfloat16 narrow(float x) {  // to the nearest, to even where two are as near
    const uint32_t bits = __builtin_bit_cast(uint32_t, x);
    return static_cast<bfloat16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x = 2^n e^r with |r| <= ln(2) / 2; the polynomial is that of Cephes (S. L. Moshier), good to float32.
inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x > 87.0f ? 87.0f : x;
    const float n = __builtin_rintf(x * 1.44269504f);
    const float r = x - n * 0.693145752f - n * 1.42860677e-6f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    return p * __builtin_bit_cast(float, (static_cast<int32_t>(n) + 127) << 23);
}

inline float sigmoid(float x) {
    return 1 / (1 + exponential(-x));
}

inline float tangent(float x) {
    return 2 * sigmoid(2 * x) - 1;
}

}  // namespace

// From the sums before the gates and the memory before the frame: the gates, the memory after it, and the output, whose
// rows are `stride` apart.
extern "C" void forward_frame(
    long rows, long units, const bfloat16* sums, const float* before, bfloat16* gates, float* after, bfloat16* output,
    long stride) {
#pragma omp parallel for
    for (long row = 0; row < rows; row++) {
        const bfloat16* __restrict s = sums + row * 4 * units;
        const float* __restrict b = before + row * units;
        bfloat16* __restrict q = gates + row * 4 * units;
        float* __restrict a = after + row * units;
        bfloat16* __restrict y = output + row * stride;
#pragma omp simd
        for (long k = 0; k < units; k++) {
            const float i = sigmoid(wide(s[k])), f = sigmoid(wide(s[units + k]));
            const float g = tangent(wide(s[2 * units + k])), o = sigmoid(wide(s[3 * units + k]));
            a[k] = f * b[k] + i * g;
            y[k] = narrow(o * tangent(a[k]));
            q[k] = narrow(i);
            q[units + k] = narrow(f);
            q[2 * units + k] = narrow(g);
            q[3 * units + k] = narrow(o);
        }
    }
}

// From the gradients of the output, which reach it from outside and from the next frame in rows `stride` apart, and of
// the memory after the frame: those of the sums before the gates, and of the memory before it, in the latter's place.
extern "C" void backward_frame(
    long rows, long units, const bfloat16* gates, const float* before, const float* after, const bfloat16* outside,
    const bfloat16* next, long stride, float* memory, bfloat16* sums) {
#pragma omp parallel for
    for (long row = 0; row < rows; row++) {
        const bfloat16* __restrict q = gates + row * 4 * units;
        const float* __restrict b = before + row * units;
        const float* __restrict a = after + row * units;
        const bfloat16* __restrict x = outside + row * units;
        const bfloat16* __restrict n = next + row * stride;
        float* __restrict m = memory + row * units;
        bfloat16* __restrict s = sums + row * 4 * units;
#pragma omp simd
        for (long k = 0; k < units; k++) {
            const float i = wide(q[k]), f = wide(q[units + k]), g = wide(q[2 * units + k]), o = wide(q[3 * units + k]);
            const float t = tangent(a[k]), y = wide(x[k]) + wide(n[k]);
            const float c = m[k] + y * o * (1 - t * t);
            s[k] = narrow(c * g * i * (1 - i));
            s[units + k] = narrow(c * b[k] * f * (1 - f));
            s[2 * units + k] = narrow(c * i * (1 - g * g));
            s[3 * units + k] = narrow(y * t * o * (1 - o));
            m[k] = c * f;
        }
    }
}
