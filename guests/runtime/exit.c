/* The two ways out: the exit status goes to the debug-exit port. */
#include "runtime.h"

_Noreturn void exit(int status) {
  outb(PORT_DEBUG_EXIT, (uint8_t)status);
  halt_forever();
}

_Noreturn void panic(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("panic: ");
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
  exit(EXIT_PANIC);
}
