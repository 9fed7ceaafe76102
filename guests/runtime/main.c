/* From the first C function to the last: main's return value is the machine's exit status. */
#include "runtime.h"

void runtime_main(void) {
  serial_init();
  interrupts_init();
  exit(main());
}

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
