/* Classifies one image file in C: classify WEIGHTS IMAGE */
#include <stdio.h>
#include <stdlib.h>

#include <regnet/regnet.h>

static void check(regnet_status status) {
  if (status == REGNET_OK) return;
  fprintf(stderr, "classify: %s\n", regnet_last_error());
  exit(1);
}

static void* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  const long length = ftell(file);
  rewind(file);
  void* bytes = malloc(length > 0 ? (size_t)length : 1);
  *size = fread(bytes, 1, (size_t)length, file);
  fclose(file);
  return bytes;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: classify WEIGHTS IMAGE\n");
    return 2;
  }
  regnet_model* model = NULL;     /* immutable, shared by threads */
  regnet_session* session = NULL; /* one per thread */
  check(regnet_open(argv[1], NULL, &model));
  check(regnet_session_open(model, 1, 0, &session));

  size_t size = 0;
  void* bytes = read_file(argv[2], &size);
  regnet_prediction best[3];
  check(regnet_classify(model, session, bytes, size, best, 3));
  for (int i = 0; i < 3; ++i) printf("%.4f %s\n", best[i].probability, best[i].name != NULL ? best[i].name : "?");

  free(bytes);
  regnet_session_close(session);
  regnet_close(model);
  return 0;
}
