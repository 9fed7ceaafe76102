/*
 * A static-PIE (ET_DYN): linked at 0, it can be put anywhere, but only a loader that applies its relocations makes
 * it work. The words are reached through a table of pointers, and every pointer needs a RELATIVE relocation.
 */
#include "contract.h"
#include "io.h"

static const char hello[] = "Hello ", from[] = "from ", position[] = "a position-independent ", end[] = "executable\n";
static const char *const volatile words[] = {hello, from, position, end};

__attribute__((section(".text.start"))) _Noreturn void _start(void) {
  for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
    const char *word = words[i];
    unsigned long length = 0;
    while (word[length])
      length++;
    outsb(PORT_SERIAL, word, length);
  }
  outb(PORT_DEBUG_EXIT, EXIT_OK);
  halt_forever();
}
