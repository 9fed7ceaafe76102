/** What a page may do (Content-Security-Policy): nothing of others. */
import { createHash } from 'node:crypto';

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Forbids every request, and every script and style but these texts. `more`: directives that allow something else. */
export const policyOf = (script: string, style: string, ...more: readonly string[]): string =>
  [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    ...more,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
