/**
 * Looks at a screen again and again, and says when it has changed: at most 30 times a second.
 *
 * It compares the bytes of text memory. KVM's dirty log would say which pages were written, but it is one log: where reading
 * clears it, pages that are read here would be missing in the next checkpoint, and logging costs the guest a fault for each
 * page, also in a run that takes no checkpoint. The screen is four kilobytes: to compare them takes microseconds.
 */
import { sameScreen } from '../../screen/packed.ts';
import type { Screen } from '../../screen/screen.ts';

/** Milliseconds between two looks. */
export const FRAME_MS = 34;

/** Calls `changed` with the screen now, and later each time it is another one. The result ends that, with a last look. */
export function watchScreen(look: () => Screen, changed: (screen: Screen) => void): () => void {
  let last: Screen | undefined;
  const see = () => {
    const screen = look();
    if (sameScreen(last, screen)) return;
    last = screen;
    changed(screen);
  };
  see();
  const timer = setInterval(see, FRAME_MS).unref();
  return () => {
    clearInterval(timer);
    see();
  };
}
