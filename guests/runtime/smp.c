/* Several processors: how many there are, and the start of all but the first. */
#include "runtime.h"

extern const char ap_trampoline[], ap_trampoline_end[];
void idt_load(void);

COUNTER(smp_online);
static void (*ap_work)(unsigned cpu);

unsigned fw_cfg_cpus(void) {
  outw(PORT_FW_CFG_SELECTOR, COMMAND_FW_CFG_CPUS);
  unsigned low = inb(PORT_FW_CFG_DATA);
  return low | (unsigned)inb(PORT_FW_CFG_DATA) << 8;
}

void ap_main(unsigned cpu) {
  idt_load();
  lapic_enable();
  __atomic_add_fetch(&smp_online, 1, __ATOMIC_SEQ_CST);
  ap_work(cpu);
}

unsigned smp_start(void (*work)(unsigned cpu)) {
  unsigned cpus = fw_cfg_cpus();
  if (cpus == 0 || cpus > LIMIT_MAX_CPUS)
    panic("the host says that there are %u processors; this guest can use 1 to %d", cpus, LIMIT_MAX_CPUS);
  ap_work = work;
  memcpy((void *)MEMORY_AP_TRAMPOLINE, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
  lapic_enable();
  smp_online = 1;
  /* One at a time, so that processor n has APIC id n. */
  for (unsigned id = 1; id < cpus; id++) {
    lapic_start_ap(id);
    while (smp_online <= id)
      cpu_pause();
  }
  return cpus;
}
