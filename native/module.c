/* The host's share of a block in one call: what edge_sdk/blocks.py does with NumPy, to the last bit.
 *
 * One type, Blocks, made once for a stream. It holds the buffers of a model's tensors and all that can be known
 * beforehand; run() then allocates nothing. The constructor checks the model's buffers, run() those of a block. */
#include "blocks.h"
#include <stddef.h>
#include <string.h>
#include <structmember.h>

#define INTERFACE 1 /* counts up with every change of what Blocks takes or does; edge_sdk/native.py asks for this one */

PyDoc_STRVAR(fits_doc, "fits(x)\n--\n\nWhether x is float32 [mics, n], and not so loud that it needs a closer look.");
static PyObject *fits(PyObject *object, PyObject *x)
{
    Blocks *self = (Blocks *)object;
    Py_buffer view;
    if (!PyObject_CheckBuffer(x))
        Py_RETURN_FALSE;
    if (get_samples(x, "x", 0, &view) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError) && !PyErr_ExceptionMatches(PyExc_BufferError))
            return NULL;
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    int good = view.shape[0] == self->mics && energy(&view) <= self->loudest; /* no if there are NaN */
    PyBuffer_Release(&view);
    return PyBool_FromLong(good);
}

/* All of run() between having its buffers and releasing them. */
static int run_blocks(Blocks *self, const Py_buffer *x, const Py_buffer *out)
{
    Py_ssize_t n = x->shape[1];
    if (x->shape[0] != self->mics || n > PY_SSIZE_T_MAX - self->block) {
        PyErr_Format(PyExc_ValueError, "x of shape [%zd, %zd]: expected [%zd, n]", x->shape[0], n, self->mics);
        return -1;
    }
    Py_ssize_t complete = (self->pending + n) / self->block * self->block;
    if (out->shape[0] != self->sources || out->shape[1] != complete) {
        PyErr_Format(PyExc_ValueError, "out of shape [%zd, %zd]: expected [%zd, %zd]", out->shape[0], out->shape[1],
                     self->sources, complete);
        return -1;
    }
    Py_ssize_t taken = 0;
    for (Py_ssize_t given = 0; given < complete; given += self->block) {
        taken += take(self, x, taken);
        give_model(self);
        PyObject *done = PyObject_CallMethodNoArgs(self->model, self->invoke);
        if (!done)
            return -1;
        Py_DECREF(done);
        keep_memory(self);
        overlap_and_add(self, out, given);
    }
    take(self, x, taken);
    return 0;
}

PyDoc_STRVAR(run_doc, "run(x, out)\n--\n\nTake samples [mics, n]; what is complete then goes to out, [sources, m].");
static PyObject *run(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Blocks *self = (Blocks *)object;
    Py_buffer x, out;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "run takes samples and where they go, not %zd arguments", count);
    if (self->running || !self->model) /* a step may let another thread run; what was counted must stay true */
        return PyErr_Format(PyExc_RuntimeError, "a stream is run by one thread at a time");
    if (get_samples(args[0], "x", 0, &x) < 0)
        return NULL;
    if (get_samples(args[1], "out", 1, &out) < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    self->running = 1;
    int failed = run_blocks(self, &x, &out);
    self->running = 0;
    PyBuffer_Release(&out);
    PyBuffer_Release(&x);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(reset_doc, "reset()\n--\n\nForget all samples; the memory of rings and carries is its owner's to clear.");
static PyObject *reset(PyObject *object, PyObject *Py_UNUSED(nothing))
{
    Blocks *self = (Blocks *)object;
    memset(self->samples, 0, (size_t)(self->mics * (self->past + self->block) * FLOAT));
    memset(self->sums, 0, (size_t)(self->sources * (self->block + self->window - self->hop) * FLOAT));
    self->pending = 0;
    Py_RETURN_NONE;
}

/* Zeros, `count` times `some + more` of them. */
static float *zeros(Py_ssize_t count, Py_ssize_t some, Py_ssize_t more)
{
    Py_ssize_t bytes;
    float *made = NULL;
    if (!__builtin_add_overflow(some, more, &bytes) && !__builtin_mul_overflow(bytes, count, &bytes) &&
        !__builtin_mul_overflow(bytes, FLOAT, &bytes))
        made = PyMem_Calloc((size_t)bytes, 1);
    if (!made)
        PyErr_NoMemory();
    return made;
}

/* Sizes from the shapes of frames and windows. */
static int get_sizes(Blocks *self)
{
    const Py_ssize_t *frames = self->frames.shape, *windows = self->windows.shape;
    self->mics = frames[0], self->steps = frames[1], self->length = frames[2];
    self->sources = windows[0], self->window = windows[2];
    if (windows[1] != self->steps || self->window > self->length || self->hop < 1 || self->window % self->hop != 0 ||
        self->hop > PY_SSIZE_T_MAX / self->steps) {
        PyErr_Format(PyExc_ValueError,
                     "frames [%zd, %zd, %zd], windows [%zd, %zd, %zd], hop %zd: expected as many of both in a step, "
                     "windows no longer than frames, and whole hops in a window",
                     frames[0], frames[1], frames[2], windows[0], windows[1], windows[2], self->hop);
        return -1;
    }
    self->block = self->hop * self->steps;
    self->past = self->length - self->hop;
    return 0;
}

static int get_memory(Blocks *self, PyObject *rings, PyObject *carries)
{
    self->rings = PyMem_Calloc((size_t)PyTuple_GET_SIZE(rings) + 1, sizeof(Rings));
    self->carries = PyMem_Calloc((size_t)PyTuple_GET_SIZE(carries) + 1, sizeof(Carry));
    if (!self->rings || !self->carries) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t r = 0; r < PyTuple_GET_SIZE(rings); r++) {
        self->ring_count++; /* before it is filled, so that what is there of it is released */
        if (get_rings(PyTuple_GET_ITEM(rings, r), self->steps, self->rings + r) < 0)
            return -1;
    }
    for (Py_ssize_t c = 0; c < PyTuple_GET_SIZE(carries); c++) {
        self->carry_count++;
        if (get_carry(PyTuple_GET_ITEM(carries, c), self->carries + c) < 0)
            return -1;
    }
    return 0;
}

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *names)
{
    static char *keywords[] = {"model", "frames", "windows", "hop", "rings", "carries", "loudest", NULL};
    PyObject *model, *frames, *windows, *rings, *carries;
    Blocks *self = (Blocks *)type->tp_alloc(type, 0); /* all zeros: it can be released whatever is there of it */
    if (!self)
        return NULL;
    if (!PyArg_ParseTupleAndKeywords(args, names, "OOOnO!O!d", keywords, &model, &frames, &windows, &self->hop,
                                     &PyTuple_Type, &rings, &PyTuple_Type, &carries, &self->loudest) ||
        get_frames(frames, "frames", 1, &self->frames) < 0 || get_frames(windows, "windows", 0, &self->windows) < 0 ||
        get_sizes(self) < 0 || get_memory(self, rings, carries) < 0 ||
        !(self->samples = zeros(self->mics, self->past, self->block)) ||
        !(self->sums = zeros(self->sources, self->block, self->window - self->hop)) ||
        !(self->invoke = PyUnicode_InternFromString("invoke"))) {
        Py_DECREF(self);
        return NULL;
    }
    self->model = Py_NewRef(model);
    return (PyObject *)self;
}

static int traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((Blocks *)object)->model);
    return 0;
}

static int clear(PyObject *object)
{
    Py_CLEAR(((Blocks *)object)->model);
    return 0;
}

static void release(PyObject *object)
{
    Blocks *self = (Blocks *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    clear(object);
    Py_CLEAR(self->invoke);
    for (Py_ssize_t r = 0; r < self->ring_count; r++) {
        PyBuffer_Release(&self->rings[r].memory);
        PyBuffer_Release(&self->rings[r].taps);
        PyBuffer_Release(&self->rings[r].rows);
        PyMem_Free(self->rings[r].reads);
        PyMem_Free(self->rings[r].writes);
    }
    for (Py_ssize_t c = 0; c < self->carry_count; c++) {
        PyBuffer_Release(&self->carries[c].before);
        PyBuffer_Release(&self->carries[c].after);
    }
    PyBuffer_Release(&self->frames);
    PyBuffer_Release(&self->windows);
    PyMem_Free(self->rings);
    PyMem_Free(self->carries);
    PyMem_Free(self->samples);
    PyMem_Free(self->sums);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"fits", fits, METH_O, fits_doc},
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL, run_doc},
    {"reset", reset, METH_NOARGS, reset_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"pending", T_PYSSIZET, offsetof(Blocks, pending), READONLY, "samples of the block that is not complete yet"},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(blocks_doc,
             "Blocks(model, frames, windows, hop, rings, carries, loudest)\n--\n\n"
             "A stream of blocks through model.invoke(), whose tensors are float32 buffers:\n\n"
             "frames   [mics, steps, length], what it takes; windows, [sources, steps, window], what it gives\n"
             "rings    tuples (memory, taps, rows, reads, writes): [n, width] each, and tuples of runs of rows,\n"
             "         (begin, depth, at, count), that go from memory to taps before a step and from rows to memory\n"
             "         after it, and lie so many frames further in the next step\n"
             "carries  tuples (before, after): what a step gives is what the next one takes\n"
             "loudest  energy up to which samples fit");

static PyType_Slot slots[] = {
    {Py_tp_new, make},        {Py_tp_dealloc, release}, {Py_tp_traverse, traverse},      {Py_tp_clear, clear},
    {Py_tp_methods, methods}, {Py_tp_members, members}, {Py_tp_doc, (void *)blocks_doc}, {0, NULL},
};

static PyType_Spec spec = {
    .name = "edge_sdk_native.Blocks",
    .basicsize = sizeof(Blocks),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int failed = !type || PyModule_AddType(module, (PyTypeObject *)type) < 0;
    Py_XDECREF(type);
    return failed || PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0 ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "edge_sdk_native",
    .m_doc = "The host's share of a block in C; edge_sdk uses it where it is installed.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit_edge_sdk_native(void)
{
    return PyModuleDef_Init(&definition);
}
