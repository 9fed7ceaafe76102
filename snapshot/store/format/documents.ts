/** The JSON documents behind index.json: manifests and machine descriptions. Reading checks every field that is used. */

import { corrupt, type Digest, isDigest, storeError } from './digest.ts';
import { type Descriptor, descriptor, encode, type Json, list, object, optionalObject, parseObject } from './json.ts';
import { ANNOTATION, MAX_CONFIG_BYTES, MAX_LAYER_BYTES, MAX_LAYERS, MAX_RECORDING_BYTES, MEDIA } from './limits.ts';

export type { Descriptor, Json } from './json.ts';

/** The machine of a checkpoint: a description in words and numbers, and its state as named byte strings. */
export interface CheckpointConfig {
  /** Format of `machine` and `state`, from 1. The store does not interpret either. */
  readonly version: number;
  readonly machine: Json;
  readonly state: Readonly<Record<string, Uint8Array>>;
}

/** What a manifest says besides its layers. */
export interface CheckpointInfo {
  /** The checkpoint it was taken after; it may no longer be in the store. */
  readonly parent?: Digest;
  readonly label?: string;
  /** RFC 3339. */
  readonly time: string;
  /** Counts, bytes and microseconds by name: `pages`, `bytes`, and what the taker adds (`pauseUs`, …). */
  readonly stats: Readonly<Record<string, number>>;
}

/** What a manifest says of a layer. */
export interface LayerDescriptor extends Descriptor {
  /** Bytes and sha256 (hex) of the page map at the end. */
  readonly mapBytes: number;
  readonly mapHash: string;
}

/** A manifest, understood. */
export interface Manifest extends CheckpointInfo {
  readonly config: Descriptor;
  readonly layers: readonly LayerDescriptor[];
  /** What the host gave to the guest between the parent and this checkpoint. The store does not interpret it. */
  readonly recording?: Descriptor;
}

/** The blobs that a manifest names. */
export const blobsOf = ({ config, layers, recording }: Manifest): Descriptor[] => [
  config,
  ...layers,
  ...(recording ? [recording] : []),
];

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** True for a name that OCI takes as a tag. */
export function isTag(name: unknown): name is string {
  return typeof name === 'string' && TAG.test(name);
}

/** Reads a manifest. Throws NOT_A_CHECKPOINT for another kind of image. */
export function parseManifest(bytes: Uint8Array, where: string): Manifest {
  const document = parseObject(bytes, where);
  const configObject = object(document.config, where, 'config');
  if (document.schemaVersion !== 2 || configObject.mediaType !== MEDIA.config)
    throw storeError(
      'NOT_A_CHECKPOINT',
      `${where}: is an image, but not a checkpoint: its config is of type ` +
        `${JSON.stringify(configObject.mediaType)?.slice(0, 80)}, not ${MEDIA.config}`,
    );
  const listed = list(document.layers, MAX_LAYERS + 1, where, 'layers').map((item, i) =>
    object(item, where, `layer ${i}`),
  );
  const last = listed.at(-1);
  const recording = last?.mediaType === MEDIA.recording ? last : undefined;
  const memory = recording ? listed.slice(0, -1) : listed;
  if (memory.length > MAX_LAYERS) throw corrupt(where, `has ${memory.length} layers`);
  const layers = memory.map((layer, i): LayerDescriptor => {
    const what = `layer ${i}`;
    if (layer.mediaType !== MEDIA.layer) throw corrupt(where, `${what} is of an unknown type`);
    const map = optionalObject(layer.annotations, where, what)[ANNOTATION.map];
    const [, mapBytes, mapHash] = /^(\d{1,10}):([0-9a-f]{64})$/.exec(typeof map === 'string' ? map : '') ?? [];
    if (!mapBytes || !mapHash) throw corrupt(where, `${what} has no ${ANNOTATION.map} annotation`);
    return { ...descriptor(layer, MAX_LAYER_BYTES, where, what), mapBytes: Number(mapBytes), mapHash };
  });
  const notes = optionalObject(document.annotations, where, 'annotations');
  const { [ANNOTATION.parent]: parent, [ANNOTATION.label]: label, [ANNOTATION.created]: time } = notes;
  if (parent !== undefined && !isDigest(parent)) throw corrupt(where, 'its parent is not a digest');
  return {
    config: descriptor(configObject, MAX_CONFIG_BYTES, where, 'config'),
    layers,
    ...(recording && { recording: descriptor(recording, MAX_RECORDING_BYTES, where, 'the recording') }),
    time: typeof time === 'string' ? time : '',
    stats: parseStats(notes[ANNOTATION.stats]),
    ...(parent !== undefined && { parent }),
    ...(typeof label === 'string' && { label }),
  };
}

function parseStats(text: Json | undefined): Record<string, number> {
  try {
    const entries = Object.entries(JSON.parse(String(text ?? '{}')) as Record<string, unknown>);
    return Object.fromEntries(entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1])));
  } catch {
    return {};
  }
}

/** Writes a manifest. */
export function encodeManifest({ config, layers, recording, parent, label, time, stats }: Manifest): Uint8Array {
  return encode({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType: MEDIA.artifact,
    config: { mediaType: MEDIA.config, digest: config.digest, size: config.size },
    layers: [
      ...layers.map(({ digest, size, mapBytes, mapHash }) => ({
        mediaType: MEDIA.layer,
        digest,
        size,
        annotations: { [ANNOTATION.map]: `${mapBytes}:${mapHash}` },
      })),
      ...(recording ? [{ mediaType: MEDIA.recording, digest: recording.digest, size: recording.size }] : []),
    ],
    annotations: {
      [ANNOTATION.created]: time,
      ...(parent && { [ANNOTATION.parent]: parent }),
      ...(label !== undefined && { [ANNOTATION.label]: label }),
      [ANNOTATION.stats]: JSON.stringify(stats),
    },
  });
}

/** Reads a machine description. */
export function parseConfig(bytes: Uint8Array, where: string): CheckpointConfig {
  const { version, machine, state } = parseObject(bytes, where);
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1)
    throw corrupt(where, `is of version ${JSON.stringify(version)?.slice(0, 40)}`);
  const blobs = Object.entries(object(state, where, 'state')).map(([name, text]) => {
    if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0)
      throw corrupt(where, `state ${JSON.stringify(name).slice(0, 80)} is not base64`);
    return [name, new Uint8Array(Buffer.from(text, 'base64'))] as const;
  });
  return { version, machine: machine ?? null, state: Object.fromEntries(blobs) };
}

/** Writes a machine description. */
export function encodeConfig({ version, machine, state }: CheckpointConfig): Uint8Array {
  const blobs = Object.entries(state).map(([name, bytes]) => [
    name,
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
  ]);
  return encode({ version, machine, state: Object.fromEntries(blobs) });
}
