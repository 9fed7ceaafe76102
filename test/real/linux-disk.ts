/** Debian's cloud kernel with an ext4 file system on disk 0, and small programs that write to it. */
import { guestProblem } from './boot.ts';
import { ext4Problem } from './ext4.ts';
import type { RealGuest } from './guests.ts';
import { diskInitramfs, linuxElf } from './linux.ts';

const KERNEL = 'linux-image-cloud-amd64';

/** Blocks of 4 KiB that `copy` copies, each by a request of its own. */
export const COPIED_BLOCKS = 256;
/** Lines that `log` writes, each synced. */
export const LOGGED_LINES = 40;

const SCRIPTS = {
  prepare: `dd if=/dev/urandom of=/mnt/first bs=4k count=${COPIED_BLOCKS} status=none
cd /mnt && sha256sum first >sums && cd / && sync && echo "prepare: done"`,
  copy: `echo "copy $1: begins"
dd if=/mnt/first of=/mnt/copy$1 bs=4k oflag=direct status=none
cmp /mnt/first /mnt/copy$1 && (cd /mnt && sha256sum -c sums) && echo "copy $1: equal"`,
  log: `n=0
while [ $n -lt ${LOGGED_LINES} ]; do
  n=$((n + 1))
  echo $n >>/mnt/log$1 && sync /mnt/log$1 && echo "log $1: $n"
done
echo "log $1: $(wc -l </mnt/log$1) lines"`,
  finish: `umount /mnt && echo "finish: unmounted" && $1 -f`,
};

/** To a shell with the disk at /mnt. */
export const LINUX_WITH_DISK: RealGuest = {
  name: 'Linux for clouds with ext4 on a disk, 2 CPUs',
  packages: [KERNEL, 'busybox-static'],
  image: () => linuxElf(KERNEL),
  ramMiB: 256,
  cpus: 2,
  load: () => ({
    cmdline: 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable',
    modules: [{ name: 'initramfs', bytes: diskInitramfs(KERNEL, SCRIPTS) }],
  }),
  dialogue: [
    { on: 'serial', see: 'user space: Linux, 2 CPUs' },
    { on: 'serial', see: 'disk: mounted' },
    { on: 'serial', see: '# ', type: 'prepare\n' },
    { on: 'serial', see: 'prepare: done' },
  ],
  seconds: 65,
  notOnPvm: 'its emulator does not take Linux past the first lines of the kernel',
};

/** Why it cannot run here; undefined where it can. */
export const linuxDiskProblem = (): string | undefined => guestProblem(LINUX_WITH_DISK) ?? ext4Problem();
