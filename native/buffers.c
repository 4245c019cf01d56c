/* What comes from outside, checked: float32 buffers of samples and tensors, and where rows of them go. */
#include "blocks.h"
#include <stdint.h>
#include <string.h>

static int is_float32(const Py_buffer *view)
{
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
        format++;
    return strcmp(format, "f") == 0;
}

/* A float32 buffer of so many dimensions, any number for -1. Where it is none there is nothing to release. */
static int get(PyObject *object, const char *what, int dimensions, int flags, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, flags | PyBUF_STRIDES | PyBUF_FORMAT) < 0)
        return -1;
    if (is_float32(view) && (dimensions < 0 || view->ndim == dimensions))
        return 0;
    PyErr_Format(PyExc_ValueError, "%s of %d dimensions and format '%s': expected float32, %d dimensions", what,
                 view->ndim, view->format ? view->format : "B", dimensions < 0 ? view->ndim : dimensions);
    PyBuffer_Release(view);
    return -1;
}

/* The same where the rows have no gaps and begin where a float may. */
static int get_rows(PyObject *object, const char *what, int dimensions, int flags, Py_buffer *view)
{
    if (get(object, what, dimensions, flags, view) < 0)
        return -1;
    int good = view->ndim > 0 && (uintptr_t)view->buf % sizeof(float) == 0, last = view->ndim - 1;
    for (int d = 0; good && d < view->ndim; d++)
        good = view->shape[d] > 0 && view->strides[d] % FLOAT == 0;
    if (good && (view->strides[last] == FLOAT || view->shape[last] == 1))
        return 0;
    PyErr_Format(PyExc_ValueError, "%s: expected aligned rows without gaps, and at least one number", what);
    PyBuffer_Release(view);
    return -1;
}

static int get_tensor(PyObject *object, const char *what, int dimensions, int writable, Py_buffer *view)
{
    return get_rows(object, what, dimensions, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0), view);
}

/* Samples of several channels, `[channels, n]`, in any place and order. */
int get_samples(PyObject *object, const char *what, int writable, Py_buffer *view)
{
    return get(object, what, 2, writable ? PyBUF_WRITABLE : 0, view);
}

/* Frames of several channels, `[channels, steps, n]`, of which only the samples must follow each other. */
int get_frames(PyObject *object, const char *what, int writable, Py_buffer *view)
{
    return get_rows(object, what, 3, writable ? PyBUF_WRITABLE : 0, view);
}

/* Runs from tuples (begin, depth, at, count): within the memory, and together all rows of the tensor. */
static int get_runs(PyObject *tuples, const Py_buffer *memory, const Py_buffer *tensor, Py_ssize_t steps, Run **runs,
                    Py_ssize_t *number)
{
    Py_ssize_t rows = memory->shape[0], left = tensor->shape[0], count = PyTuple_GET_SIZE(tuples);
    if (!(*runs = PyMem_Calloc((size_t)count + 1, sizeof(Run)))) {
        PyErr_NoMemory();
        return -1;
    }
    *number = count;
    for (Py_ssize_t i = 0; i < count; i++) {
        Run *run = *runs + i;
        PyObject *tuple = PyTuple_GET_ITEM(tuples, i);
        if (!PyTuple_Check(tuple)) {
            PyErr_SetString(PyExc_TypeError, "runs: expected tuples (begin, depth, at, count)");
            return -1;
        }
        if (!PyArg_ParseTuple(tuple, "nnnn", &run->begin, &run->depth, &run->at, &run->count))
            return -1;
        if (run->depth < steps || run->depth > rows || run->begin < 0 || run->begin > rows - run->depth ||
            run->at < 0 || run->at >= run->depth || run->count < 1 || run->count > run->depth || run->count > left) {
            PyErr_Format(PyExc_ValueError,
                         "run %zd, (%zd, %zd, %zd, %zd): expected a ring of at least %zd rows among %zd, and at most "
                         "%zd rows of it",
                         i, run->begin, run->depth, run->at, run->count, steps, rows, left);
            return -1;
        }
        left -= run->count;
    }
    if (left == 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "runs of %zd rows: expected %zd", tensor->shape[0] - left, tensor->shape[0]);
    return -1;
}

int get_rings(PyObject *object, Py_ssize_t steps, Rings *rings)
{
    PyObject *memory, *taps, *rows, *reads, *writes;
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "rings: expected tuples (memory, taps, rows, reads, writes)");
        return -1;
    }
    if (!PyArg_ParseTuple(object, "OOOO!O!", &memory, &taps, &rows, &PyTuple_Type, &reads, &PyTuple_Type, &writes) ||
        get_tensor(memory, "memory", 2, 1, &rings->memory) < 0 || get_tensor(taps, "taps", 2, 1, &rings->taps) < 0 ||
        get_tensor(rows, "rows", 2, 0, &rings->rows) < 0)
        return -1;
    Py_ssize_t width = rings->memory.shape[1];
    if (rings->taps.shape[1] != width || rings->rows.shape[1] != width) {
        PyErr_Format(PyExc_ValueError, "taps of width %zd and rows of width %zd: expected %zd, that of the memory",
                     rings->taps.shape[1], rings->rows.shape[1], width);
        return -1;
    }
    if (get_runs(reads, &rings->memory, &rings->taps, steps, &rings->reads, &rings->read_count) < 0)
        return -1;
    return get_runs(writes, &rings->memory, &rings->rows, steps, &rings->writes, &rings->write_count);
}

int get_carry(PyObject *object, Carry *carry)
{
    PyObject *before, *after;
    if (!PyTuple_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "carries: expected tuples (before, after)");
        return -1;
    }
    if (!PyArg_ParseTuple(object, "OO", &before, &after) || get_tensor(before, "before", -1, 1, &carry->before) < 0 ||
        get_tensor(after, "after", -1, 0, &carry->after) < 0)
        return -1;
    if (carry->before.len == carry->after.len)
        return 0;
    PyErr_Format(PyExc_ValueError, "a carry of %zd bytes before and %zd after a step: expected the same",
                 carry->before.len, carry->after.len);
    return -1;
}
