/* Two moons, 2-HIDDEN-2, by hand: full-batch gradient descent in float32, one call for all passes.
 *
 * Laid out as a person who wants speed would: one array per coordinate and per hidden unit (structure of arrays), sizes
 * known at compile time, every inner loop over the rows so that the compiler vectorises it, tanhf and expf included
 * (glibc's libmvec offers them under -ffast-math). The caller pads the rows to a multiple of 16; `real` is 1 for a row
 * of data and 0 for padding. No loss is computed; every parameter is updated in every pass.
 *
 * `w` holds W1[0][:], W1[1][:], b1[:], W2[:][0], W2[:][1], b2[:] one after another.
 */
#include <math.h>

static float activation[HIDDEN][ROWS] __attribute__((aligned(64)));
static float error0[ROWS] __attribute__((aligned(64))), error1[ROWS] __attribute__((aligned(64)));

static void one_pass(const float *restrict x0, const float *restrict x1, const float *restrict y0,
                     const float *restrict y1, const float *restrict real, float *restrict w) {
    float *w0 = w, *w1 = w + HIDDEN, *b1 = w + 2 * HIDDEN;
    float *v0 = w + 3 * HIDDEN, *v1 = w + 4 * HIDDEN, *b2 = w + 5 * HIDDEN;
    for (int i = 0; i < ROWS; i++) { error0[i] = b2[0]; error1[i] = b2[1]; }
    for (int j = 0; j < HIDDEN; j++) {
        float a0 = w0[j], a1 = w1[j], a = b1[j], c0 = v0[j], c1 = v1[j];
        float *restrict h = activation[j];
        for (int i = 0; i < ROWS; i++) {
            h[i] = tanhf(x0[i] * a0 + x1[i] * a1 + a);
            error0[i] += h[i] * c0;
            error1[i] += h[i] * c1;
        }
    }
    float d0 = 0, d1 = 0;
    for (int i = 0; i < ROWS; i++) {
        float z0 = error0[i], z1 = error1[i], top = z0 > z1 ? z0 : z1;
        float e0 = expf(z0 - top), e1 = expf(z1 - top), scale = real[i] / (e0 + e1);
        error0[i] = e0 * scale - y0[i];
        error1[i] = e1 * scale - y1[i];
        d0 += error0[i];
        d1 += error1[i];
    }
    b2[0] -= RATE * d0;
    b2[1] -= RATE * d1;
    for (int j = 0; j < HIDDEN; j++) {
        float g0 = 0, g1 = 0, g = 0, k0 = 0, k1 = 0, c0 = v0[j], c1 = v1[j];
        const float *restrict h = activation[j];
        for (int i = 0; i < ROWS; i++) {
            float back = (error0[i] * c0 + error1[i] * c1) * (1 - h[i] * h[i]);
            k0 += h[i] * error0[i];
            k1 += h[i] * error1[i];
            g0 += x0[i] * back;
            g1 += x1[i] * back;
            g += back;
        }
        w0[j] -= RATE * (g0 + PENALTY * w0[j]);
        w1[j] -= RATE * (g1 + PENALTY * w1[j]);
        b1[j] -= RATE * g;
        v0[j] -= RATE * (k0 + PENALTY * c0);
        v1[j] -= RATE * (k1 + PENALTY * c1);
    }
}

void train(long passes, const float *x0, const float *x1, const float *y0, const float *y1, const float *real,
           float *w) {
    for (long pass = 0; pass < passes; pass++) one_pass(x0, x1, y0, y1, real, w);
}
