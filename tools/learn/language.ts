/** Languages of the course: which one, and texts with blanks. */
import type { Values } from '../../exercises/exercise.ts';
import { EN } from './messages/en.ts';
import { ZH_CN } from './messages/zh-CN.ts';

/** Languages there are, as --lang has them, and their names in files. */
export const LANGUAGES = { en: 'en', zh: 'zh-CN' } as const;
export type Language = keyof typeof LANGUAGES;

/** The general messages by language. Those of an exercise are in its folder. */
export const MESSAGES: Readonly<Record<Language, typeof EN>> = { en: EN, zh: ZH_CN };

/** By the locale, in the order in which the C library looks for that of messages. */
export function languageOf(env: NodeJS.ProcessEnv): Language {
  const locale = [env.LC_ALL, env.LC_MESSAGES, env.LANG].find((value) => value !== undefined && value !== '');
  return locale?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/** A text with its blanks, {name}, filled. A blank that has no value stays. */
export const filled = (text: string, values: Values): string =>
  text.replaceAll(/\{(\w+)\}/g, (blank, name: string) => (name in values ? String(values[name]) : blank));
