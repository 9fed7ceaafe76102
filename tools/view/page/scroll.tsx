/** A part that scrolls within itself. It can be reached by the keyboard, as else only a mouse could scroll it. */
import type { ComponentChildren } from 'preact';

export function Scroll(props: {
  readonly class: string;
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to take the focus (WCAG 2.1.1).
    <section class={`scroll ${props.class}`} aria-label={props.label} tabIndex={0}>
      {props.children}
    </section>
  );
}
