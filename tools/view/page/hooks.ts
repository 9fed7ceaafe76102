/** Small hooks that several parts use. */
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { View } from './model.ts';

/** The width of an element in pixels, as it changes. */
export function useWidth<E extends Element>(): [RefObject<E | null>, number] {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

const isSame = (a: View, b: View) => a.model === b.model && a.now === b.now && a.base === b.base;

/** So long what was left out of a drag that stands still stays away: more than two frames. */
const LEFT_OUT_MS = 40;

/** The view; while the slider is held, every second one. It stays the same object meanwhile. */
export function usePaced(view: View, isHeld: boolean): View {
  const shown = useRef({ view, isBehind: false });
  const [, draw] = useState(0);
  const { view: old, isBehind } = shown.current;
  if (isSame(old, view)) shown.current = { view: old, isBehind: false };
  else shown.current = isHeld && !isBehind ? { view: old, isBehind: true } : { view, isBehind: false };
  useEffect(() => {
    if (!shown.current.isBehind) return undefined;
    const timer = setTimeout(() => draw((n) => n + 1), LEFT_OUT_MS);
    return () => clearTimeout(timer);
  });
  return shown.current.view;
}

/** Whether the pointer that was pressed on an element is down still, and what to call when it is pressed. */
export function useHeld(): readonly [boolean, () => void] {
  const [isHeld, hold] = useState(false);
  // Before the page is painted: a short press has ended by then.
  useLayoutEffect(() => {
    if (!isHeld) return undefined;
    const release = () => hold(false);
    const ends = ['pointerup', 'pointercancel', 'blur'];
    for (const end of ends) addEventListener(end, release);
    return () => {
      for (const end of ends) removeEventListener(end, release);
    };
  }, [isHeld]);
  return [isHeld, () => hold(true)];
}

/** So long a view stays before what is costly follows it. */
const SETTLED_MS = 100;

/** The view that was last looked at for a moment: while the slider is dragged, one before. It stays the same object. */
export function useSettled(view: View): View {
  const [settled, settle] = useState(view);
  const { model, now, base } = view;
  useEffect(() => {
    if (isSame(settled, view)) return undefined;
    const timer = setTimeout(() => settle(view), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [model, now, base]);
  return settled;
}

/** The values of CSS variables, read again when light and dark change. */
export function useColours(names: readonly string[]): Readonly<Record<string, string>> {
  const read = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  };
  const [colours, setColours] = useState(read);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const change = () => setColours(read());
    dark.addEventListener('change', change);
    return () => dark.removeEventListener('change', change);
  }, []);
  return colours;
}
