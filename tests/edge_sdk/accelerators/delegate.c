/* An external TFLite delegate for tests. It takes over the LEAKY_RELU operators of a graph, or misbehaves:
 *
 *   mode=relu     computes them; slope_scale=S multiplies their slopes; fail_at=N fails in the Nth step
 *   mode=nothing  takes nothing (also without options)
 *   mode=fail, crash, hang, exit    does that while the graph is prepared
 *
 * Any other option is refused. The structures are those of tflite/core/c/common.h as far as they are used, whose order
 * of fields is its promise to delegates. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, LEAKY_RELU = 98 };

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    int type;
    float *data;
    IntArray *dims;
    float scale;
    int32_t zero_point;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const IntArray *dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs, *outputs, *intermediates, *temporaries;
    void *user_data;
    void *builtin_data;
} Node; /* only ever seen by pointer, so what follows does not matter */

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *registration_external;
    void *async_kernel;
    uint64_t inplace_operator;
} Registration;

typedef struct { Delegate *delegate; IntArray *nodes, *inputs, *outputs; } Partition;

struct Context {
    size_t tensors_size;
    int (*get_execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    int (*resize_tensor)(Context *, Tensor *, IntArray *);
    void (*report_error)(Context *, const char *, ...);
    int (*add_tensors)(Context *, int, int *);
    int (*get_node_and_registration)(Context *, int, Node **, Registration **);
    int (*replace_node_subsets)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    int (*prepare)(Context *, Delegate *);
    int (*copy_from_buffer)(Context *, Delegate *, int, Tensor *);
    int (*copy_to_buffer)(Context *, Delegate *, int, Tensor *);
    void (*free_buffer)(Context *, Delegate *, int *);
    int64_t flags;
    void *opaque_builder;
};

typedef struct { const char *mode; float slope_scale; long fail_at, steps; } Settings;
typedef struct { int in, out; float slope; } Relu;
typedef struct { Settings *settings; bool first; int count; Relu relus[]; } Kernel;

static void *init_kernel(Context *context, const char *buffer, size_t length) {
    const Partition *part = (const Partition *)buffer;
    Settings *settings = part->delegate->data;
    Kernel *kernel = malloc(sizeof *kernel + part->nodes->size * sizeof(Relu));
    (void)length;
    kernel->settings = settings;
    kernel->first = settings->steps < 0;
    settings->steps = 0;
    kernel->count = part->nodes->size;
    for (int i = 0; i < kernel->count; i++) {
        Node *node;
        Registration *registration;
        context->get_node_and_registration(context, part->nodes->data[i], &node, &registration);
        float slope = *(float *)node->builtin_data * settings->slope_scale;
        kernel->relus[i] = (Relu){node->inputs->data[0], node->outputs->data[0], slope};
    }
    return kernel;
}

static void free_kernel(Context *context, void *kernel) {
    (void)context;
    free(kernel);
}

static int prepare_kernel(Context *context, Node *node) {
    (void)context, (void)node;
    return OK;
}

static int invoke_kernel(Context *context, Node *node) {
    Kernel *kernel = node->user_data;
    if (kernel->first && ++kernel->settings->steps == kernel->settings->fail_at) {
        context->report_error(context, "the chip is too hot\n");
        return ERROR;
    }
    for (int r = 0; r < kernel->count; r++) {
        Relu relu = kernel->relus[r];
        const float *in = context->tensors[relu.in].data;
        float *out = context->tensors[relu.out].data;
        size_t count = context->tensors[relu.in].bytes / sizeof(float);
        for (size_t i = 0; i < count; i++)
            out[i] = in[i] > 0 ? in[i] : relu.slope * in[i];
    }
    return OK;
}

static int prepare(Context *context, Delegate *delegate) {
    Settings *settings = delegate->data;
    if (!strcmp(settings->mode, "fail")) {
        context->report_error(context, "no such chip\n");
        return ERROR;
    }
    if (!strcmp(settings->mode, "crash"))
        abort();
    if (!strcmp(settings->mode, "exit"))
        _exit(3);
    while (!strcmp(settings->mode, "hang"))
        pause();
    if (strcmp(settings->mode, "relu"))
        return OK;
    IntArray *plan;
    context->get_execution_plan(context, &plan);
    IntArray *ours = malloc(sizeof *ours + plan->size * sizeof(int));
    ours->size = 0;
    for (int i = 0; i < plan->size; i++) {
        Node *node;
        Registration *registration;
        context->get_node_and_registration(context, plan->data[i], &node, &registration);
        if (registration->builtin_code == LEAKY_RELU)
            ours->data[ours->size++] = plan->data[i];
    }
    Registration kernel = {.init = init_kernel, .free = free_kernel, .prepare = prepare_kernel,
                           .invoke = invoke_kernel, .custom_name = "relus of a test", .version = 1};
    int status = context->replace_node_subsets(context, kernel, ours, delegate);
    free(ours);
    return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    Settings *settings = malloc(sizeof *settings);
    *settings = (Settings){"nothing", 1.0f, 0, -1};
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(keys[i], "mode"))
            settings->mode = strdup(values[i]);
        else if (!strcmp(keys[i], "slope_scale"))
            settings->slope_scale = strtof(values[i], NULL);
        else if (!strcmp(keys[i], "fail_at"))
            settings->fail_at = strtol(values[i], NULL, 10);
        else {
            char said[200];
            snprintf(said, sizeof said, "no option %s", keys[i]);
            report(said);
            return NULL;
        }
    }
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->data = settings;
    delegate->prepare = prepare;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
    free(delegate);
}
