/**
 * The numbers of the format, and the bounds that readers hold every file to before they allocate.
 */

/** Bytes in a guest page. */
export { PAGE_SIZE } from '../../../src/abi/numbers.ts';

/** Pages in a frame: 256 KiB, where zstd's level 1 has reached its ratio and one page is still cheap to get at. */
export const FRAME_PAGES = 64;

/** Upper bound of the frame size a map may declare, in pages (1 MiB). */
export const MAX_FRAME_PAGES = 256;

/** RAM's page numbers lie below this: 1 TiB, and the hole of 1 GiB below 4 GiB of guest-physical addresses. */
export const MAX_RAM_PAGE = 2 ** 28 + 2 ** 18;

/** All page numbers lie below this. Those that no RAM can have are for what a machine keeps outside its RAM. */
export const MAX_PAGE_NUMBER = 2 ** 32;

/** Pages with content that one checkpoint may hold: 128 GiB. Zero pages do not count. */
export const MAX_LIVE_PAGES = 2 ** 25;

/** Layers in one manifest. Writers compact before they get there; readers refuse more. */
export const MAX_LAYERS = 64;

/** Documents, in bytes. Registries take manifests of up to 4 MiB. */
export const MAX_INDEX_BYTES = 16 * 2 ** 20;
export const MAX_MANIFEST_BYTES = 4 * 2 ** 20;
export const MAX_CONFIG_BYTES = 64 * 2 ** 20;

/** A layer's page map, in bytes; what is allocated for it is besides never more than the file holds. */
export const MAX_MAP_BYTES = 512 * 2 ** 20;

/** A whole layer, in bytes, where one is streamed (pull). */
export const MAX_LAYER_BYTES = 2 ** 40;

/** Entries of index.json: heads and tags. */
export const MAX_HEADS = 65_536;

/** A recording, in bytes, as it is in its file and when it is unpacked. */
export const MAX_RECORDING_BYTES = 64 * 2 ** 20;

/** Media types and annotation names of the format. */
export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  artifact: 'application/vnd.vmlapse.checkpoint.v1',
  config: 'application/vnd.vmlapse.machine.v1+json',
  layer: 'application/vnd.vmlapse.memory.v1+zstd',
  recording: 'application/vnd.vmlapse.recording.v1+zstd',
} as const;

export const ANNOTATION = {
  /** OCI: the tag of an index entry. */
  refName: 'org.opencontainers.image.ref.name',
  /** OCI: creation time, RFC 3339. */
  created: 'org.opencontainers.image.created',
  /** On a manifest: digest of the checkpoint it was taken after. */
  parent: 'vnd.vmlapse.parent',
  label: 'vnd.vmlapse.label',
  /** On a manifest: what taking it cost, a flat JSON object of numbers. */
  stats: 'vnd.vmlapse.stats',
  /** On a layer descriptor: `<bytes>:<sha256 hex>` of the page map at the layer's end, so it can be read alone. */
  map: 'vnd.vmlapse.map',
  /** On index.json: the most recent commit. */
  latest: 'vnd.vmlapse.latest',
} as const;
