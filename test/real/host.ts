/** Which kind of KVM this host has, as far as tests have to know. */
import { existsSync } from 'node:fs';

/** True where guest kernel code is run by an instruction emulator (the kvm_pvm module). */
export const isPvm = existsSync('/sys/module/kvm_pvm');

/** True where there is a KVM at all. */
export const hasKvm = existsSync('/dev/kvm');
