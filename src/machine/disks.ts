/** The disks of a machine: image files that are only read, and their overlays. */
import { imageDigest, type OnHashed } from '../disk/digest.ts';
import { DiskImage } from '../disk/image.ts';
import { MAX_DISKS } from '../disk/limits.ts';
import { OverlayDisk, overlayMemory } from '../disk/overlay.ts';
import { UsageError } from '../errors.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { GuestMemory, type GuestMemoryHandle } from '../memory/guest-memory.ts';
import { BOOLEAN, checkOptions, type OptionKinds, TEXT } from '../options.ts';

/** A disk to be made. Plain data. */
export interface DiskConfig {
  /** The image: a raw file of whole 512-byte sectors, up to 1 TiB; may be sparse. Nothing writes to it. */
  readonly path: string;
  /** The guest cannot write to it. Default false. */
  readonly readOnly?: boolean;
}

const DISK_OPTIONS: OptionKinds<DiskConfig> = { path: TEXT, readOnly: BOOLEAN };

/** What another thread of the process needs to use a disk. Structured-clone safe. */
export interface DiskHandle {
  readonly fd: number;
  readonly bytes: number;
  readonly readOnly: boolean;
  readonly memory: GuestMemoryHandle;
}

/** What a checkpoint says of a disk. JSON. */
export interface DiskDescription {
  /** Absolute path of the image at the time. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly readOnly: boolean;
}

/** See the file's header. */
export class Disks implements Disposable {
  /** By number. */
  readonly list: readonly OverlayDisk[];
  /** The images; none in a thread that has only borrowed the disks. */
  readonly images: readonly DiskImage[];

  private constructor(list: readonly OverlayDisk[], images: readonly DiskImage[]) {
    this.list = list;
    this.images = images;
  }

  /** Opens the images. `overlays`: what was written over them, the disks' then. Throws UsageError, DiskError, GuestMemoryError. */
  static open(configs: readonly DiskConfig[], overlays?: readonly GuestMemory[]): Disks {
    for (const config of configs) checkOptions(config, DISK_OPTIONS);
    if (configs.length > MAX_DISKS)
      throw new UsageError(`a machine has at most ${MAX_DISKS} disks, not ${configs.length}`);
    using made = new Cleanup();
    const images = configs.map(({ path }) => made.use(DiskImage.open(path)));
    const list = images.map((image, index) => {
      const memory = overlays?.[index] ?? made.use(overlayMemory(index, image.bytes));
      return new OverlayDisk(index, image, configs[index]!.readOnly ?? false, memory);
    });
    made.keep();
    return new Disks(list, images);
  }

  /** Disks that another thread of this process owns. */
  static borrow(handles: readonly DiskHandle[]): Disks {
    const list = handles.map(
      ({ readOnly, memory, ...base }, index) => new OverlayDisk(index, base, readOnly, GuestMemory.borrow(memory)),
    );
    return new Disks(list, []);
  }

  /** Plain data for {@link Disks.borrow}. */
  get handle(): readonly DiskHandle[] {
    return this.list.map(({ base: { fd, bytes }, readOnly, memory }) => ({
      fd,
      bytes,
      readOnly,
      memory: memory.handle,
    }));
  }

  /** What a checkpoint says of them. Reads each image once to hash it. Throws DiskError. */
  describe(onHashed?: OnHashed): readonly DiskDescription[] {
    return this.images.map((image, index) => ({
      path: image.path,
      bytes: image.bytes,
      sha256: imageDigest(image, onHashed),
      readOnly: this.list[index]!.readOnly,
    }));
  }

  /** Throws DiskError CHANGED where an image is not as it was when it was opened. */
  checkUnchanged(): void {
    for (const image of this.images) image.checkUnchanged();
  }

  /** Frees the overlays and closes the images. */
  [Symbol.dispose](): void {
    for (const disk of this.list) disk[Symbol.dispose]();
    for (const image of this.images) image[Symbol.dispose]();
  }
}
