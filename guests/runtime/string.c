/* The four functions that a compiler may call on its own, by string instructions. */
#include "runtime.h"

void *memset(void *to, int value, size_t length) {
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(length) : "a"(value) : "memory");
  return to;
}

void *memcpy(void *to, const void *from, size_t length) {
  void *at = to;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(length) : : "memory");
  return to;
}

int memcmp(const void *a, const void *b, size_t length) {
  const uint8_t *x = a, *y = b;
  for (; length; length--, x++, y++)
    if (*x != *y)
      return *x - *y;
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length])
    length++;
  return length;
}
