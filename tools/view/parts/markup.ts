/** HTML and SVG as tagged templates: what is put in is escaped, unless it is markup already. */

/** Text that is safe to put into a page. */
export class Markup {
  readonly text: string;

  /** Only for text that this program wrote itself. */
  constructor(text: string) {
    this.text = text;
  }
}

type Value = Markup | string | number | readonly (Markup | string | number)[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (text: string) => text.replace(/[&<>"']/g, (c) => ENTITIES[c]!);

function render(value: Value): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value));
  return value.map(render).join('');
}

/** html`<td>${name}</td>`: `name` is escaped. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(strings.reduce((text, part, i) => text + render(values[i - 1]!) + part));
}

export const EMPTY = new Markup('');
