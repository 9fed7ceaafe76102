/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />
/** `import … from 'vmlapse/loaders'`: guest images, from a path or from bytes, up to a machine that is ready to run. */
import '../src/errors.ts'; // first: it defines Symbol.dispose where that is missing

export * from './index.ts';
export { type BootTarget, bootImage, occupiedBy } from './place.ts';
export { type ImageFile, readImage } from './read.ts';
