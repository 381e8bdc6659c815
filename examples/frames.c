/* Frames of a window of a video through the C face.
 *   cc frames.c $(pkg-config --cflags --libs deepsport) -o frames && ./frames rally.mp4 0.5 1.5 4
 */
#include <deepsport/c/deepsport.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 96, HEIGHT = 64, BYTES = WIDTH * HEIGHT * 3 };

static int report(ds_video* video, double start, double stop, size_t count) {
  int64_t* frames = malloc(count * sizeof *frames);
  uint8_t* rgb = malloc(count * BYTES);
  int code = frames != NULL && rgb != NULL ? DS_OK : DS_LIMIT;
  if (code == DS_OK) code = ds_frames_in_window(video, start, stop, count, frames);

  ds_decode_options options = DS_DECODE_OPTIONS_INIT;
  options.width = WIDTH;
  options.height = HEIGHT;
  if (code == DS_OK) code = ds_decode_rgb(video, frames, count, &options, rgb, count * BYTES, NULL);

  for (size_t i = 0; code == DS_OK && i < count; ++i) {
    double second = 0, sum = 0;
    for (size_t k = 0; k < BYTES; ++k) sum += rgb[i * BYTES + k];
    code = ds_frame_seconds(video, frames[i], 1, &second);
    printf("frame %lld at %.3f s: mean %.1f\n", (long long)frames[i], second, sum / BYTES);
  }
  free(frames);
  free(rgb);
  return code;
}

int main(int argc, char** argv) {
  if (argc != 5) return fprintf(stderr, "usage: frames VIDEO START STOP COUNT\n"), 2;
  ds_video* video;
  int code = ds_open_file(argv[1], NULL, &video);
  if (code == DS_OK) code = report(video, atof(argv[2]), atof(argv[3]), (size_t)atoi(argv[4]));
  if (code != DS_OK) fprintf(stderr, "%s: %s\n", ds_code_name(code), ds_last_error());
  ds_close(video);
  return code == DS_OK ? 0 : 1;
}
