/* The C face: open a video, get exact frames, read what a model wrote. For C and for every language
 * that can call C. Its binary interface is stable within a major version (checked by abidiff);
 * functions and structures only grow at their ends.
 *
 * Every function that can fail returns a ds_code, 0 when it worked, and then leaves a message for
 * ds_last_error() of the same thread. No C++ exception leaves the library. Structures begin with
 * their size so that they can grow: start from DS_..._INIT.
 *
 *   ds_video *video;
 *   if (ds_open_file("rally.mp4", NULL, &video) != DS_OK) { puts(ds_last_error()); return 1; }
 */
#ifndef DEEPSPORT_C_DEEPSPORT_H
#define DEEPSPORT_C_DEEPSPORT_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define DS_API __attribute__((visibility("default")))
#else
#define DS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- codes and messages ---------------------------------------------------------------------- */

typedef enum ds_code {
  DS_OK = 0,
  DS_NOT_FOUND = 1,        /* no such file */
  DS_NOT_VIDEO = 2,        /* not a container that can be read, or no video stream in it */
  DS_TRUNCATED = 3,        /* the file ends before the data that was asked for */
  DS_CORRUPT = 4,          /* damaged where it was read */
  DS_ENCRYPTED = 5,        /* the samples are encrypted */
  DS_UNSUPPORTED = 6,      /* a codec or feature this build cannot handle */
  DS_OUT_OF_RANGE = 7,     /* a frame, second or window outside of the video */
  DS_INVALID_ARGUMENT = 8, /* a request that no video could satisfy */
  DS_LIMIT = 9,            /* a set limit, or memory, would be exceeded */
  DS_TIMEOUT = 10,         /* the deadline passed */
  DS_CANCELLED = 11,       /* ds_cancel_request() was called */
  DS_FORKED = 12,          /* made before fork(), used in the child */
  DS_IO = 13,              /* the operating system refused a read */
  DS_INTERNAL = 14         /* a bug in deepsport */
} ds_code;

/* Version of the library, e.g. "0.1.0"; may differ from the header's when linked dynamically. */
DS_API const char* ds_version(void);
/* Name of a code, e.g. "truncated". Never NULL. */
DS_API const char* ds_code_name(int code);
/* What went wrong last in this thread: what was asked, what was found, what would be valid. Never
 * NULL; valid until the next call of this thread that fails. */
DS_API const char* ds_last_error(void);

/* ---- opening a video ------------------------------------------------------------------------- */

/* Safe to share between threads. */
typedef struct ds_video ds_video;

typedef struct ds_open_options {
  size_t struct_bytes;
  double deadline_seconds; /* give up after this long; 0: 120 s, negative: never */
  int64_t max_pixels;      /* largest picture accepted; 0: 8192 x 8192 */
  int64_t max_packets;     /* longest video accepted; 0: 77 hours at 60 frames a second */
} ds_open_options;
#define DS_OPEN_OPTIONS_INIT {sizeof(ds_open_options), 0, 0, 0}

/* Read up to count bytes at offset into `into`; return how many, fewer only at the end, negative on
 * failure. Called from one thread at a time. */
typedef int64_t (*ds_read_at)(void* user, uint64_t offset, void* into, size_t count);

/* `options` may be NULL. On failure *video is NULL. */
DS_API int ds_open_file(const char* path, const ds_open_options* options, ds_video** video);
/* `data` is not copied: it must stay until ds_close(). */
DS_API int ds_open_memory(const void* data, size_t bytes, const ds_open_options* options,
                          ds_video** video);
/* `user` must stay until ds_close(). */
DS_API int ds_open_reader(ds_read_at read, void* user, uint64_t bytes,
                          const ds_open_options* options, ds_video** video);
/* NULL is fine. Nothing else may be using the video. */
DS_API void ds_close(ds_video* video);

/* ---- the index: which frames there are, and when ----------------------------------------------
 */

typedef struct ds_facts {
  size_t struct_bytes;
  int64_t frame_count;
  int32_t width, height; /* as displayed, after rotation */
  double first_seconds;  /* when the first frame appears */
  double end_seconds;    /* when the last frame goes */
  double average_fps;
  int64_t keyframe_count;
  int32_t rotation_degrees; /* clockwise turn from stored to displayed */
  int32_t truncated;        /* 1: the container promises more than the file holds */
  char codec[32];           /* e.g. "h264" */
} ds_facts;
#define DS_FACTS_INIT {sizeof(ds_facts), 0, 0, 0, 0, 0, 0, 0, 0, 0, {0}}

DS_API int ds_video_facts(const ds_video* video, ds_facts* facts);
/* The size at which pixels are square: as displayed, with one side stretched by the shape of a
 * pixel. Pass it to ds_decode_rgb() to apply that shape. */
DS_API int ds_square_size(const ds_video* video, int32_t* width, int32_t* height);
/* Seconds at which the frames [first, first + count) appear. */
DS_API int ds_frame_seconds(const ds_video* video, int64_t first, size_t count, double* seconds);
/* The frame on screen at a second. */
DS_API int ds_frame_at(const ds_video* video, double second, int64_t* frame);
/* The frames on screen at start + k (stop - start) / count, k = 0..count-1. */
DS_API int ds_frames_in_window(const ds_video* video, double start_seconds, double stop_seconds,
                               size_t count, int64_t* frames);

/* ---- frames ---------------------------------------------------------------------------------- */

/* Stops a call from another thread. */
typedef struct ds_cancel ds_cancel;
DS_API ds_cancel* ds_cancel_new(void); /* NULL when out of memory */
DS_API void ds_cancel_request(ds_cancel* cancel);
DS_API void ds_cancel_free(ds_cancel* cancel);

typedef struct ds_decode_options {
  size_t struct_bytes;
  int32_t width, height;   /* of the pictures; 0 and 0: the video's own */
  int32_t threads;         /* decoders at work at once; 0: 1 */
  double deadline_seconds; /* 0: 120 s, negative: never */
  ds_cancel* cancel;       /* may be NULL */
} ds_decode_options;
#define DS_DECODE_OPTIONS_INIT {sizeof(ds_decode_options), 0, 0, 0, 0, NULL}

enum ds_frame_status {
  DS_FRAME_OK = 0,
  DS_FRAME_DAMAGED = 1, /* damaged here or in a picture it is predicted from */
  DS_FRAME_MISSING = 2  /* nothing could be decoded; its pixels are zero */
};

/* Decode frames into caller's memory: uint8, (count, height, width, 3), RGB, rows without padding.
 * Frames may repeat and be in any order; negative ones count from the end. `rgb_bytes` is the size
 * of that memory, at least what is written. `status`, `count` values of ds_frame_status, may be
 * NULL: then a missing frame makes the call fail with DS_CORRUPT. */
DS_API int ds_decode_rgb(ds_video* video, const int64_t* frames, size_t count,
                         const ds_decode_options* options, uint8_t* rgb, size_t rgb_bytes,
                         uint8_t* status);

/* ---- the protocol between a model and the frame tool -------------------------------------------
 */

enum ds_form {
  DS_FORM_PAPER = 0, /* {"action":"choose_frames","frame_range":[s,e]} */
  DS_FORM_NATIVE = 1 /* {"name":"choose_frames","arguments":{"start_frame":s,"end_frame":e}} */
};
enum ds_action { DS_ACTION_NONE = 0, DS_ACTION_CALL = 1, DS_ACTION_ANSWER = 2 };

/* What one turn of a model says. Offsets count bytes of the text: [begin, end), or -1 and -1. */
typedef struct ds_turn {
  size_t struct_bytes;
  int32_t reason;                 /* 0: well formed; else see ds_reason_name() */
  int32_t action;                 /* ds_action */
  int64_t start_frame, end_frame; /* of a call */
  int64_t think_begin, think_end;
  int64_t answer_begin, answer_end;
} ds_turn;
#define DS_TURN_INIT {sizeof(ds_turn), 0, 0, 0, 0, 0, 0, 0, 0}

/* Read one turn; DS_OK also for a malformed one, whose `reason` says what is wrong. Any bytes are
 * fine. `message`, when not NULL, receives what to tell the model, cut to message_bytes with its
 * zero. */
DS_API int ds_parse_turn(const char* text, size_t bytes, int form, int require_think, ds_turn* turn,
                         char* message, size_t message_bytes);
/* Name of a reason, e.g. "think_unclosed"; NULL for a number that is none. */
DS_API const char* ds_reason_name(int32_t reason);
/* Frames that show the window [start, end) of a model: *count on entry the most that are wanted, on
 * return how many were written. */
DS_API int ds_window_indices(int64_t start, int64_t end, size_t* count, int64_t* frames);
/* The uniform first frames of a video, likewise. */
DS_API int ds_uniform_indices(int64_t frame_count, size_t* count, int64_t* frames);

#ifdef __cplusplus
}
#endif
#endif
