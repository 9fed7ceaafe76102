/** The steps of a page: events with their chapter, their sentence, and what the machine has by then. */
import { errnoName } from '../../../src/errors.ts';
import { eventLine, type TraceEvent } from '../../../src/kvm/trace.ts';
import { type Chapter, chapterOf } from '../chapters.ts';
import { sentenceOf } from '../explain.ts';
import { Life } from '../life.ts';

/** One step. */
export interface Step {
  readonly chapter: Chapter;
  /** A few words for the list. */
  readonly title: string;
  readonly line: string;
  readonly sentence: string | undefined;
  /** Since the beginning, in microseconds. */
  readonly at: number;
  readonly facts: Life['facts'];
  /** What the program printed, or the BIOS did, before the next step. */
  readonly said: string[];
}

/** More steps than this nobody goes through, and a page of them would be slow; of a hostile file they would also be long. */
export const MOST_STEPS = 1000;
const MOST_CHARACTERS = 4 * 2 ** 20;
const MOST_SAID = 20;

/** Collects steps; `leftOut` counts the events for which there was no room. */
export class Steps {
  readonly steps: Step[] = [];
  /** What was printed before the first step. */
  readonly before: string[] = [];
  leftOut = 0;
  readonly #origin: number;
  readonly #life = new Life();
  #characters = 0;

  constructor(origin: number) {
    this.#origin = origin;
  }

  /** `isStep`: it is a step of its own; if not, only what it changes counts. */
  add(event: TraceEvent, isStep = true): void {
    if (this.steps.length === MOST_STEPS || this.#characters > MOST_CHARACTERS) {
      if (isStep) this.leftOut++;
      return;
    }
    if ('text' in event) {
      const { said } = this.steps.at(-1) ?? { said: this.before };
      if (said.length === MOST_SAID) return;
      said.push(event.text);
      this.#characters += event.text.length;
      return;
    }
    this.#life.add(event);
    if (!isStep) return;
    const { name, note, result } = event;
    const { facts } = this.#life;
    const line = eventLine(event).trimEnd();
    const lengths = facts.map(([, text]) => text.length);
    this.#characters += lengths.reduce((sum, length) => sum + length, line.length);
    this.steps.push({
      chapter: chapterOf(name),
      title: `${name}${note ? ` ${note}` : ''}${result < 0 ? ` ${errnoName(-result)}` : ''}`,
      line,
      sentence: sentenceOf(event),
      at: event.at - this.#origin,
      facts,
      said: [],
    });
  }
}
