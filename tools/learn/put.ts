/** Files of the learner's folder: what is there is never lost. */
import { lstatSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const entryAt = (path: string) => lstatSync(path, { throwIfNoEntry: false });

/** Whether anything has that name, also a link that leads nowhere. */
export const isThere = (path: string): boolean => entryAt(path) !== undefined;

/** Puts a text into a file. Whatever else was there keeps its content under another name, which is returned. */
export function put(path: string, text: string): string | undefined {
  const there = entryAt(path);
  if (there?.isFile() && there.size === Buffer.byteLength(text) && readFileSync(path, 'utf8') === text)
    return undefined;
  const kept = there && freeName(path);
  if (kept !== undefined) renameSync(path, kept);
  writeFileSync(path, text, { flag: 'wx' }); // not through a link
  return kept;
}

/** 01-ask.js.old, and where that is there, 01-ask.js.old2 and so on. */
function freeName(path: string): string {
  for (let n = 1; ; n++) {
    const name = `${path}.old${n === 1 ? '' : n}`;
    if (!isThere(name)) return name;
  }
}
