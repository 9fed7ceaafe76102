/* From the first C function to the last: main's return value is the machine's exit status. */
#include "runtime.h"

void runtime_main(void) {
  serial_init();
  interrupts_init();
  exit(main());
}
