/* Faults between a program and libasound, by a script in EDGE_FAULTS: "open 1: EBUSY; read 10: EPIPE; write 3: short 40".
 *
 * Each line names a call (open, read, write), which one of its kind, counted from 1 over the whole process, and what
 * happens to it: an error it ends with; short N, which lets it transfer N frames at most; stall, after which nothing
 * comes or goes any more and poll does not wake. Load it before libasound: LD_PRELOAD="fault_shim.so libasound.so.2". */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct { const char *name; int number; } ERRORS[] = {
    {"EPIPE", EPIPE}, {"ENODEV", ENODEV}, {"ESTRPIPE", ESTRPIPE}, {"EIO", EIO},
    {"EBADFD", EBADFD}, {"EBUSY", EBUSY}, {"EACCES", EACCES}, {"EAGAIN", EAGAIN},
};

static int stalled;
static int wake[2] = {-1, -1}; /* a pipe with a byte in it: poll finds it ready, until a stall takes the byte out */

static int pipe_of_wakes(void)
{
    if (wake[0] < 0 && (pipe2(wake, O_NONBLOCK) < 0 || write(wake[1], "x", 1) != 1))
        abort();
    return wake[0];
}

/* The error for this call, or 0; *frames becomes smaller where the script says short. */
static int fault(const char *call, int *counted, snd_pcm_uframes_t *frames)
{
    const char *script = getenv("EDGE_FAULTS");
    char name[8], what[16], byte;
    int number, length, most;
    ++*counted;
    for (; script && *script; script = strchr(script, ';') ? strchr(script, ';') + 1 : "") {
        if (sscanf(script, " %7[a-z] %d: %15[A-Za-z]%n", name, &number, what, &length) != 3)
            abort();
        if (strcmp(name, call) || number != *counted)
            continue;
        for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
            if (!strcmp(what, ERRORS[i].name))
                return -ERRORS[i].number;
        if (!strcmp(what, "short") && frames && sscanf(script + length, "%d", &most) == 1)
            *frames = *frames < (snd_pcm_uframes_t)most ? *frames : (snd_pcm_uframes_t)most;
        else if (!strcmp(what, "stall"))
            stalled = read(pipe_of_wakes(), &byte, 1) == 1;
        else
            abort();
    }
    return stalled ? -EAGAIN : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int snd_pcm_open(snd_pcm_t **pcm, const char *name, snd_pcm_stream_t stream, int mode)
{
    static int counted;
    int error = fault("open", &counted, NULL);
    return error ? error : REAL(snd_pcm_open)(pcm, name, stream, mode);
}

snd_pcm_sframes_t snd_pcm_readi(snd_pcm_t *pcm, void *buffer, snd_pcm_uframes_t frames)
{
    static int counted;
    int error = fault("read", &counted, &frames);
    return error ? error : REAL(snd_pcm_readi)(pcm, buffer, frames);
}

snd_pcm_sframes_t snd_pcm_writei(snd_pcm_t *pcm, const void *buffer, snd_pcm_uframes_t frames)
{
    static int counted;
    int error = fault("write", &counted, &frames);
    return error ? error : REAL(snd_pcm_writei)(pcm, buffer, frames);
}

int snd_pcm_poll_descriptors(snd_pcm_t *pcm, struct pollfd *fds, unsigned int space)
{
    int count = REAL(snd_pcm_poll_descriptors)(pcm, fds, space);
    if (count > 0)
        fds[0] = (struct pollfd){.fd = pipe_of_wakes(), .events = POLLIN};
    return count;
}
