/* A stream of blocks: what it holds, and what a step of it is. */
#ifndef BLOCKS_H
#define BLOCKS_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define FLOAT ((Py_ssize_t)sizeof(float))

/* Rows of a delay line, read or written by every step: `count` from row `at` of a ring of `depth` rows on. */
typedef struct {
    Py_ssize_t begin, depth, at, count; /* begin: the ring's first row in the memory that it shares with others */
} Run;

/* All delay lines of one width: their memory, the model's input of past rows and its output of new ones. */
typedef struct {
    Py_buffer memory, taps, rows;
    Run *reads, *writes;
    Py_ssize_t read_count, write_count;
} Rings;

/* A memory that the model takes and gives back whole. */
typedef struct {
    Py_buffer before, after;
} Carry;

typedef struct {
    PyObject_HEAD
    PyObject *model, *invoke;  /* the object, and the name of its method */
    Py_buffer frames, windows; /* [mics, steps, length], which it takes; [sources, steps, window], which it gives */
    Rings *rings;
    Carry *carries;
    Py_ssize_t ring_count, carry_count;
    Py_ssize_t mics, sources, steps, length, window, hop;
    Py_ssize_t block, past;    /* new samples of a step, and those before them that its frames reach back to */
    Py_ssize_t pending;        /* samples of the block that is not complete yet */
    float *samples;            /* [mics, past + block] */
    float *sums;               /* [sources, block + window - hop] of overlapping windows */
    double loudest;            /* energy up to which samples are plausible without a closer look */
    int running;
} Blocks;

/* step.c */
double energy(const Py_buffer *x);
Py_ssize_t take(Blocks *self, const Py_buffer *x, Py_ssize_t taken);
void give_model(Blocks *self);
void keep_memory(Blocks *self);
void overlap_and_add(Blocks *self, const Py_buffer *out, Py_ssize_t at);

/* buffers.c: each gives 0, or -1 with an exception. */
int get_samples(PyObject *object, const char *what, int writable, Py_buffer *view);
int get_frames(PyObject *object, const char *what, int writable, Py_buffer *view);
int get_rings(PyObject *object, Py_ssize_t steps, Rings *rings);
int get_carry(PyObject *object, Carry *carry);

#endif
