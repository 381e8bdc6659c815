/* What the C face promises, from C: codes, messages, bounds, memory and reader input, cancelling.
 *   c_face CLIP    the clip of tests/wheel/make_clip.py: 50 frames of 96x64, 25 a second
 */
#include <deepsport/c/deepsport.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      fprintf(stderr, "%s:%d: %s is false (%s)\n", __FILE__, __LINE__, #condition, \
              ds_last_error());                                                    \
      ++failures;                                                                  \
    }                                                                              \
  } while (0)

enum { WIDTH = 96, HEIGHT = 64, BYTES = WIDTH * HEIGHT * 3 };

static void check_codes(const char* clip) {
  ds_video* video = (ds_video*)&failures;
  CHECK(ds_open_file("/no/such/file.mp4", NULL, &video) == DS_NOT_FOUND);
  CHECK(video == NULL);
  CHECK(strstr(ds_last_error(), "/no/such/file.mp4") != NULL);
  CHECK(strcmp(ds_code_name(DS_NOT_FOUND), "not found") == 0);
  CHECK(ds_code_name(99) != NULL);
  CHECK(ds_open_file(NULL, NULL, &video) == DS_INVALID_ARGUMENT);
  CHECK(ds_open_file(clip, NULL, NULL) == DS_INVALID_ARGUMENT);
  ds_open_options empty;
  memset(&empty, 0, sizeof empty);
  CHECK(ds_open_file(clip, &empty, &video) == DS_INVALID_ARGUMENT);
  CHECK(strstr(ds_last_error(), "struct_bytes") != NULL);
  ds_open_options small = DS_OPEN_OPTIONS_INIT;
  small.max_pixels = 100;
  CHECK(ds_open_file(clip, &small, &video) == DS_LIMIT);
  CHECK(ds_open_memory("not a video at all", 18, NULL, &video) == DS_NOT_VIDEO);
  CHECK(ds_decode_rgb(NULL, NULL, 1, NULL, NULL, 0, NULL) == DS_INVALID_ARGUMENT);
  ds_close(NULL);
  ds_cancel_free(NULL);
}

static void check_index(ds_video* video) {
  ds_facts facts = DS_FACTS_INIT;
  CHECK(ds_video_facts(video, &facts) == DS_OK);
  CHECK(facts.frame_count == 50 && facts.width == WIDTH && facts.height == HEIGHT);
  CHECK(facts.keyframe_count == 2 && facts.rotation_degrees == 0 && facts.truncated == 0);
  CHECK(fabs(facts.end_seconds - facts.first_seconds - 2.0) < 1e-9);
  CHECK(fabs(facts.average_fps - 25.0) < 1e-9);
  CHECK(strcmp(facts.codec, "h264") == 0);

  double seconds[50];
  CHECK(ds_frame_seconds(video, 0, 50, seconds) == DS_OK);
  CHECK(fabs(seconds[49] - seconds[0] - 49.0 / 25) < 1e-9);
  CHECK(ds_frame_seconds(video, 49, 2, seconds) == DS_OUT_OF_RANGE);
  CHECK(ds_frame_seconds(video, -1, 1, seconds) == DS_OUT_OF_RANGE);
  int64_t frame = -1;
  CHECK(ds_frame_at(video, 1.0, &frame) == DS_OK && frame == 25);
  CHECK(ds_frame_at(video, 2.5, &frame) == DS_OUT_OF_RANGE);
  int64_t frames[4];
  CHECK(ds_frames_in_window(video, 0.4, 1.2, 4, frames) == DS_OK); /* 0.4, 0.6, 0.8, 1.0 s */
  CHECK(frames[0] == 10 && frames[1] == 15 && frames[2] == 20 && frames[3] == 25);
  CHECK(ds_frames_in_window(video, 1.2, 0.4, 4, frames) == DS_INVALID_ARGUMENT);
}

static void check_square_size(ds_video* video) {
  int32_t width = 0, height = 0;
  CHECK(ds_square_size(video, &width, &height) == DS_OK); /* its pixels are square */
  ds_facts facts = DS_FACTS_INIT;
  CHECK(ds_video_facts(video, &facts) == DS_OK);
  CHECK(width == facts.width && height == facts.height);
  CHECK(ds_square_size(video, NULL, &height) == DS_INVALID_ARGUMENT);
}

static void check_frames(ds_video* video) {
  const int64_t frames[3] = {-1, 0, 10};
  uint8_t* rgb = malloc(3 * BYTES + 1);
  uint8_t status[3] = {9, 9, 9};
  rgb[3 * BYTES] = 77;
  CHECK(ds_decode_rgb(video, frames, 3, NULL, rgb, 3 * BYTES, status) == DS_OK);
  CHECK(status[0] == DS_FRAME_OK && status[1] == DS_FRAME_OK && status[2] == DS_FRAME_OK);
  CHECK(rgb[3 * BYTES] == 77);                                     /* not one byte too many */
  const int grey[3] = {49 * 4 * 255 / 219, 0, 10 * 4 * 255 / 219}; /* luma 16 + 4 i */
  for (int i = 0; i < 3; ++i) CHECK(abs(rgb[i * BYTES + BYTES / 2] - grey[i]) <= 3);

  CHECK(ds_decode_rgb(video, frames, 3, NULL, rgb, 3 * BYTES - 1, status) == DS_INVALID_ARGUMENT);
  const int64_t outside = 50;
  CHECK(ds_decode_rgb(video, &outside, 1, NULL, rgb, BYTES, status) == DS_OUT_OF_RANGE);
  ds_decode_options options = DS_DECODE_OPTIONS_INIT;
  options.width = 48; /* and no height */
  CHECK(ds_decode_rgb(video, frames, 1, &options, rgb, BYTES, status) == DS_INVALID_ARGUMENT);
  options.height = 32;
  CHECK(ds_decode_rgb(video, frames, 1, &options, rgb, 48 * 32 * 3, NULL) == DS_OK);

  ds_cancel* cancel = ds_cancel_new();
  options.cancel = cancel;
  ds_cancel_request(cancel);
  CHECK(ds_decode_rgb(video, frames, 1, &options, rgb, 48 * 32 * 3, NULL) == DS_CANCELLED);
  ds_cancel_free(cancel);
  free(rgb);
}

static void check_protocol(void) {
  const char* call =
      "<think>closer</think><tool_call>{\"action\":\"choose_frames\",\"frame_range\":[12,34]}"
      "</tool_call>";
  ds_turn turn = DS_TURN_INIT;
  char message[64];
  CHECK(ds_parse_turn(call, strlen(call), DS_FORM_PAPER, 1, &turn, message, sizeof message) ==
        DS_OK);
  CHECK(turn.reason == 0 && turn.action == DS_ACTION_CALL);
  CHECK(turn.start_frame == 12 && turn.end_frame == 34 && turn.answer_begin == -1);
  CHECK(strncmp(call + turn.think_begin, "closer", 6) == 0);
  CHECK(turn.think_end - turn.think_begin == 6);
  CHECK(message[0] == '\0');
  CHECK(ds_parse_turn("", 0, DS_FORM_PAPER, 1, &turn, message, sizeof message) == DS_OK);
  CHECK(turn.reason != 0 && turn.action == DS_ACTION_NONE && message[0] != '\0');
  CHECK(ds_reason_name(turn.reason) != NULL && ds_reason_name(12345) == NULL);
  CHECK(ds_parse_turn("x", 1, 7, 1, &turn, NULL, 0) == DS_INVALID_ARGUMENT);

  int64_t frames[8];
  size_t count = 3;
  CHECK(ds_window_indices(10, 21, &count, frames) == DS_OK); /* int(linspace(11, 20, 3)) */
  CHECK(count == 3 && frames[0] == 11 && frames[1] == 15 && frames[2] == 20);
  count = 8;
  CHECK(ds_uniform_indices(3, &count, frames) == DS_OK && count == 3 && frames[2] == 2);
  CHECK(ds_window_indices(5, 5, &count, frames) == DS_INVALID_ARGUMENT);
}

struct bytes {
  const uint8_t* data;
  size_t size;
};

static int64_t read_bytes(void* user, uint64_t offset, void* into, size_t count) {
  const struct bytes* all = user;
  if (offset >= all->size) return 0;
  if (count > all->size - offset) count = all->size - offset;
  memcpy(into, all->data + offset, count);
  return (int64_t)count;
}

static int64_t read_nothing(void* user, uint64_t offset, void* into, size_t count) {
  (void)user, (void)offset, (void)into, (void)count;
  return -1;
}

static void check_other_sources(const char* clip) {
  FILE* file = fopen(clip, "rb");
  fseek(file, 0, SEEK_END);
  struct bytes all = {NULL, (size_t)ftell(file)};
  uint8_t* data = malloc(all.size);
  rewind(file);
  CHECK(fread(data, 1, all.size, file) == all.size);
  fclose(file);
  all.data = data;
  ds_video* videos[2] = {NULL, NULL};
  CHECK(ds_open_memory(data, all.size, NULL, &videos[0]) == DS_OK);
  CHECK(ds_open_reader(read_bytes, &all, all.size, NULL, &videos[1]) == DS_OK);
  for (int i = 0; i < 2; ++i) {
    check_frames(videos[i]);
    ds_close(videos[i]);
  }
  CHECK(ds_open_reader(read_nothing, NULL, 1000, NULL, &videos[0]) == DS_IO);
  free(data);
}

static void* errors_are_of_the_thread(void* unused) {
  (void)unused;
  CHECK(strcmp(ds_last_error(), "") == 0); /* the other thread's failures are not ours */
  ds_video* video;
  CHECK(ds_open_file("/no/such/other.mp4", NULL, &video) == DS_NOT_FOUND);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: c_face CLIP\n"), 2;
  ds_video *video = NULL, *absent;
  check_codes(argv[1]);
  CHECK(ds_open_file(argv[1], NULL, &video) == DS_OK);
  if (video == NULL) return 1;
  check_index(video);
  check_square_size(video);
  check_frames(video);
  check_protocol();
  check_other_sources(argv[1]);
  CHECK(ds_open_file("/no/such/file.mp4", NULL, &absent) == DS_NOT_FOUND);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, errors_are_of_the_thread, NULL) == 0);
  pthread_join(thread, NULL);
  CHECK(strstr(ds_last_error(), "file.mp4") != NULL);
  ds_close(video);
  if (failures == 0) printf("deepsport %s: the C face keeps its promises\n", ds_version());
  return failures == 0 ? 0 : 1;
}
