/*
 * Runs a libFuzzer target without libFuzzer: `COUNT SEED FILE...` gives it the
 * files and then COUNT inputs made of them, the same for the same seed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (256u * 1024u)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint64_t state;

static uint32_t dice(uint32_t sides) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % sides;
}

static size_t read_file(const char *path, uint8_t *to) {
  FILE *file = fopen(path, "rb");
  size_t size = file == NULL ? 0 : fread(to, 1, INPUT_MAX, file);
  if (file == NULL || fclose(file) != 0) {
    perror(path);
    exit(2);
  }
  return size;
}

/* One change: a bit, a byte that means much, a piece left out, doubled, or the end cut. */
static size_t mutate(uint8_t *input, size_t size) {
  static const uint8_t telling[] = { 0, 1, 2, '.', '/', 0x7f, 0x80, 0xff };
  if (size < 32)
    return size;
  size_t at = dice((uint32_t)size), length = 1 + dice(64);
  if (at + length > size)
    length = size - at;
  switch (dice(6)) {
  case 0:
    input[at] ^= (uint8_t)(1u << dice(8));
    return size;
  case 1:
    input[at] = telling[dice(sizeof telling)];
    return size;
  case 2:
    memmove(input + at, input + at + length, size - at - length);
    return size - length;
  case 3:
    if (size + length > INPUT_MAX)
      return size;
    memmove(input + at + length, input + at, size - at);
    return size + length;
  case 4:
    memmove(input + at, input + dice((uint32_t)(size - length + 1)), length);
    return size;
  default:
    return dice(8) == 0 ? at : size;
  }
}

int main(int argc, char **argv) {
  static uint8_t seed[INPUT_MAX], input[INPUT_MAX];
  if (argc < 4)
    return 2;
  state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
  for (int i = 3; i < argc; i++)
    LLVMFuzzerTestOneInput(seed, read_file(argv[i], seed));
  for (long left = strtol(argv[1], NULL, 10); left > 0; left--) {
    size_t size = read_file(argv[3 + (int)dice((uint32_t)(argc - 3))], seed);
    memcpy(input, seed, size);
    for (uint32_t changes = 1 + dice(6); changes > 0; changes--)
      size = mutate(input, size);
    LLVMFuzzerTestOneInput(input, size);
  }
  printf("%s inputs\n", argv[1]);
  return 0;
}
