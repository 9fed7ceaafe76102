/* The generation of the machine: another number once it has been restored or forked, as the host says by ACPI. */
#include "runtime.h"

static void say(const char *when) {
  const volatile uint8_t *id = (const volatile uint8_t *)MEMORY_GENERATION;
  printf("%s ", when);
  for (unsigned i = 0; i < 16; i++)
    printf("%02x", id[i]);
  printf("\n");
}

int main(void) {
  say("first");
  outb(PORT_POST, 1);
  say("then ");
  return EXIT_OK;
}
