/* A named number; tables end with a NULL name. */
#ifndef SARDONYX_TESTS_ABI_HEADER_FACTS_H
#define SARDONYX_TESTS_ABI_HEADER_FACTS_H

struct fact {
  const char* name;
  unsigned long long value;
};
extern const struct fact our_facts[];
extern const struct fact their_facts[];

#endif
