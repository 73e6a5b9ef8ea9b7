/* Our headers agree with those of ONNX in every constant, size, offset and prototype. */
#include <stdio.h>
#include <string.h>

#include "header_facts.h"

int main(void) {
  int i, failures = 0;
  for (i = 0; our_facts[i].name != NULL && their_facts[i].name != NULL; ++i) {
    const struct fact ours = our_facts[i], theirs = their_facts[i];
    const int prototype = strncmp(ours.name, "prototype", 9) == 0;
    if (strcmp(ours.name, theirs.name) != 0 || ours.value != theirs.value || (prototype && ours.value != 1)) {
      fprintf(stderr, "%s: ours %llu, theirs %llu\n", ours.name, ours.value, theirs.value);
      ++failures;
    }
  }
  if (our_facts[i].name != NULL || their_facts[i].name != NULL || i < 150) {
    fprintf(stderr, "the tables have different lengths, or are too short: %d\n", i);
    ++failures;
  }
  fprintf(stderr, "%d facts, %d failures\n", i, failures);
  return failures == 0 ? 0 : 1;
}
