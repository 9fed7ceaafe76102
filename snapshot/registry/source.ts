/** A repository of a registry as a source of single blobs, for a store that has lost some. */
import { isNotFound } from '../store/format/digest.ts';
import { MAX_MANIFEST_BYTES, MEDIA } from '../store/format/limits.ts';
import type { BlobSource } from '../store/history/repair.ts';
import { RegistryClient, type RegistryOptions } from './client.ts';
import { parseReference } from './reference.ts';

/** The repository of `HOST/REPOSITORY:TAG`; the tag does not matter. Throws UsageError. */
export function registrySource(reference: string, options: RegistryOptions = {}): BlobSource {
  const client = new RegistryClient(parseReference(reference, options.plainHttp), 'pull', options);
  return {
    async fetch(digest, write) {
      try {
        await client.request({ method: 'GET', url: client.path(`blobs/${digest}`), receive: write }, 200);
        return true;
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      // A registry keeps manifests apart from other blobs.
      try {
        const url = client.path(`manifests/${digest}`);
        const headers = { accept: MEDIA.manifest };
        const { bytes } = await client.request({ method: 'GET', url, headers, limit: MAX_MANIFEST_BYTES }, 200);
        if (bytes) write(bytes);
        return bytes !== undefined;
      } catch (error) {
        if (isNotFound(error)) return false;
        throw error;
      }
    },
  };
}
