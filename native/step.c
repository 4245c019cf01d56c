/* One step: samples to frames, rows to and from the rings, windows to samples. Nothing here allocates or can fail.
 *
 * No arithmetic may be reordered, so that it gives what NumPy gives to the last bit: not for -ffast-math. */
#include "blocks.h"
#include <string.h>

#define LANES 8 /* sums of squares side by side, which the compiler makes one instruction of */

static void copy(char *to, Py_ssize_t to_stride, const char *from, Py_ssize_t from_stride, Py_ssize_t count)
{
    if (to_stride == FLOAT && from_stride == FLOAT)
        memmove(to, from, (size_t)(count * FLOAT));
    else
        for (Py_ssize_t i = 0; i < count; i++)
            memmove(to + i * to_stride, from + i * from_stride, sizeof(float));
}

/* The sum of the squares of all samples, which may lie anywhere, aligned or not. Never less than the largest square,
 * however it is rounded, and not a number if one of them is none. */
double energy(const Py_buffer *x)
{
    float sums[LANES] = {0};
    for (Py_ssize_t row = 0; row < x->shape[0]; row++) {
        const char *from = (const char *)x->buf + row * x->strides[0];
        for (Py_ssize_t i = 0; i < x->shape[1]; i += LANES) {
            float values[LANES] = {0};
            if (x->shape[1] - i >= LANES && x->strides[1] == FLOAT)
                memcpy(values, from + i * FLOAT, sizeof(values));
            else
                copy((char *)values, FLOAT, from + i * x->strides[1], x->strides[1], Py_MIN(LANES, x->shape[1] - i));
            for (int lane = 0; lane < LANES; lane++)
                sums[lane] += values[lane] * values[lane];
        }
    }
    double total = 0;
    for (int lane = 0; lane < LANES; lane++)
        total += sums[lane];
    return total;
}

/* Take samples from number `taken` on, until there are no more or the block is complete; how many those were. */
Py_ssize_t take(Blocks *self, const Py_buffer *x, Py_ssize_t taken)
{
    Py_ssize_t count = Py_MIN(x->shape[1] - taken, self->block - self->pending);
    for (Py_ssize_t mic = 0; mic < self->mics; mic++) {
        float *to = self->samples + mic * (self->past + self->block) + self->past + self->pending;
        const char *from = (const char *)x->buf + mic * x->strides[0] + taken * x->strides[1];
        copy((char *)to, FLOAT, from, x->strides[1], count);
    }
    self->pending += count;
    return count;
}

/* A run's rows from the ring to `other`, or from there to the ring; where in `other` the next run's rows lie. Rows that
 * follow each other move together: a ring has one seam, so there are two pieces at most. */
static char *move(const Run *run, const Rings *rings, char *other, int to_ring)
{
    Py_ssize_t row = rings->memory.shape[1] * FLOAT;
    Py_ssize_t first = Py_MIN(run->count, run->depth - run->at) * row, rest = run->count * row - first;
    char *ring = (char *)rings->memory.buf + run->begin * row, *at = ring + run->at * row;
    memmove(to_ring ? at : other, to_ring ? other : at, (size_t)first);
    if (rest > 0)
        memmove(to_ring ? ring : other + first, to_ring ? other + first : ring, (size_t)rest);
    return other + first + rest;
}

/* The frames of the complete block and the past rows to the model; the block's samples become past ones. */
void give_model(Blocks *self)
{
    for (Py_ssize_t mic = 0; mic < self->mics; mic++) {
        float *samples = self->samples + mic * (self->past + self->block);
        char *frames = (char *)self->frames.buf + mic * self->frames.strides[0];
        for (Py_ssize_t step = 0; step < self->steps; step++)
            memcpy(frames + step * self->frames.strides[1], samples + step * self->hop, (size_t)(self->length * FLOAT));
        memmove(samples, samples + self->block, (size_t)(self->past * FLOAT));
    }
    self->pending = 0;
    for (Py_ssize_t r = 0; r < self->ring_count; r++) {
        char *taps = self->rings[r].taps.buf;
        for (Py_ssize_t i = 0; i < self->rings[r].read_count; i++)
            taps = move(self->rings[r].reads + i, self->rings + r, taps, 0);
    }
}

static void turn(Run *runs, Py_ssize_t count, Py_ssize_t steps)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        runs[i].at += steps; /* no ring has fewer rows than that */
        if (runs[i].at >= runs[i].depth)
            runs[i].at -= runs[i].depth;
    }
}

/* What the model gave to remember. */
void keep_memory(Blocks *self)
{
    for (Py_ssize_t r = 0; r < self->ring_count; r++) {
        Rings *rings = self->rings + r;
        char *rows = rings->rows.buf;
        for (Py_ssize_t i = 0; i < rings->write_count; i++)
            rows = move(rings->writes + i, rings, rows, 1);
        turn(rings->reads, rings->read_count, self->steps);
        turn(rings->writes, rings->write_count, self->steps);
    }
    for (Py_ssize_t c = 0; c < self->carry_count; c++)
        memmove(self->carries[c].before.buf, self->carries[c].after.buf, (size_t)self->carries[c].before.len);
}

/* Add the sources' windows; the samples that are complete go to `out`, from number `at` on. */
void overlap_and_add(Blocks *self, const Py_buffer *out, Py_ssize_t at)
{
    Py_ssize_t hop = self->hop, overlap = self->window - hop;
    /* As in edge_sdk/framing.py: a half that is the first of its place is not added to zeros, so -0.0 stays -0.0. */
    int halves = self->steps == 1 && self->window == 2 * hop;
    Py_ssize_t added = halves ? hop : self->window;
    for (Py_ssize_t source = 0; source < self->sources; source++) {
        float *sums = self->sums + source * (self->block + overlap);
        const char *windows = (const char *)self->windows.buf + source * self->windows.strides[0];
        for (Py_ssize_t step = self->steps - 1; step >= 0; step--) { /* newest first, as the network sums */
            const float *window = (const float *)(windows + step * self->windows.strides[1]);
            float *restrict to = sums + step * hop;
            for (Py_ssize_t i = 0; i < added; i++)
                to[i] += window[i];
        }
        char *to = (char *)out->buf + source * out->strides[0] + at * out->strides[1];
        copy(to, out->strides[1], (const char *)sums, FLOAT, self->block);
        memmove(sums, sums + self->block, (size_t)(overlap * FLOAT));
        memset(sums + overlap, 0, (size_t)(self->block * FLOAT));
        if (halves)
            memcpy(sums, (const float *)windows + hop, (size_t)(hop * FLOAT));
    }
}
